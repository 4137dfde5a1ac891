# weir_add_operator(NAME SOURCES file...)
# Builds a loadable library of custom operators against <weir/operator.hpp>. Used inside the source
# tree, and installed so that a project outside it can call it after find_package(weir).
function(weir_add_operator name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBRARIES" ${ARGN})
  if(NOT ARG_SOURCES)
    message(FATAL_ERROR "weir_add_operator(${name}): SOURCES is empty; name the operator's files")
  endif()
  add_library(${name} MODULE ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE weir::sdk ${ARG_LIBRARIES})
  target_compile_features(${name} PRIVATE cxx_std_20)
  set_target_properties(${name} PROPERTIES PREFIX "" CXX_VISIBILITY_PRESET hidden
                                           VISIBILITY_INLINES_HIDDEN ON POSITION_INDEPENDENT_CODE ON)
endfunction()
