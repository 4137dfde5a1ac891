# Functions for custom operators, used inside the source tree, and installed so that a project outside
# it can call them after find_package(weir).
#
# weir_add_operator(NAME SOURCES file... [LIBRARIES lib...])
#   Builds NAME.so, a loadable library of custom operators against <weir/operator.hpp>.
# weir_add_operator_test(NAME OPERATOR library SOURCES file... [LIBRARIES lib...])
#   Builds a test against <weir/harness.hpp> and registers it with ctest. The path of the library that
#   weir_add_operator built is in the macro WEIR_OPERATOR_LIBRARY.
function(weir_add_operator name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBRARIES" ${ARGN})
  if(NOT ARG_SOURCES)
    message(FATAL_ERROR "weir_add_operator(${name}): SOURCES is empty; name the operator's files")
  endif()
  add_library(${name} MODULE ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE weir::sdk ${ARG_LIBRARIES})
  target_compile_features(${name} PRIVATE cxx_std_20)
  # Without fused multiply-add floating point gives the same bits on every machine and build, so that
  # a job that continues elsewhere repeats its results.
  target_compile_options(${name} PRIVATE -ffp-contract=off)
  set_target_properties(${name} PROPERTIES PREFIX "" CXX_VISIBILITY_PRESET hidden
                                           VISIBILITY_INLINES_HIDDEN ON POSITION_INDEPENDENT_CODE ON)
endfunction()

function(weir_add_operator_test name)
  cmake_parse_arguments(ARG "" "OPERATOR" "SOURCES;LIBRARIES" ${ARGN})
  if(NOT ARG_SOURCES OR NOT TARGET "${ARG_OPERATOR}")
    message(FATAL_ERROR "weir_add_operator_test(${name}): needs SOURCES and OPERATOR, a target of "
                        "weir_add_operator")
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE weir::harness ${ARG_LIBRARIES})
  target_compile_definitions(${name} PRIVATE WEIR_OPERATOR_LIBRARY="$<TARGET_FILE:${ARG_OPERATOR}>")
  add_dependencies(${name} ${ARG_OPERATOR})
  add_test(NAME ${name} COMMAND ${name})
endfunction()
