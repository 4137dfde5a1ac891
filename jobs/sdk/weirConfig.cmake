# find_package(weir): weir::sdk (headers of custom operators), weir::harness (their tests) and the
# functions weir_add_operator and weir_add_operator_test.
include(${CMAKE_CURRENT_LIST_DIR}/weirTargets.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/weir_operator.cmake)
