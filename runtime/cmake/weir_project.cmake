# Compiler settings and the two functions that every folder uses:
#   weir_library(NAME [DEPENDS lib...] [PRIVATE lib...])  one static library of the folder's *.cpp
#   weir_test(NAME [SOURCES file...] [DEPENDS lib...])    one doctest executable, registered with ctest
# Both take PCH weir_actors_pch where CAF is used.
include(GNUInstallDirs)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1 -fno-omit-frame-pointer")

# AVX2, BMI2 and FMA are the baseline; kernels that gain from AVX-512 dispatch at run time.
# -pthread everywhere: some libraries ask for it, and precompiled headers need one set of options.
add_compile_options(-pthread -fPIC -march=x86-64-v3 -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
                    -Wno-missing-field-initializers)
if(WEIR_WERROR)
  add_compile_options(-Werror)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 13)
    # It takes an optional that was copied for one that may hold nothing.
    add_compile_options(-Wno-error=maybe-uninitialized)
  endif()
endif()

set(WEIR_SANITIZE "" CACHE STRING "Value for -fsanitize, empty for none")
if(WEIR_SANITIZE)
  add_compile_options(-fsanitize=${WEIR_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${WEIR_SANITIZE})
  # Those that cost a quarter of the build and find what AddressSanitizer or a crash finds as well can be left out.
  set(WEIR_SANITIZE_WITHOUT "" CACHE STRING "Value for -fno-sanitize, empty for none")
  if(WEIR_SANITIZE_WITHOUT)
    add_compile_options(-fno-sanitize=${WEIR_SANITIZE_WITHOUT})
  endif()
endif()

find_program(WEIR_CCACHE ccache)
if(WEIR_CCACHE)
  # Precompiled headers defeat ccache unless time macros and defines are declared harmless.
  set(launcher ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
               ${WEIR_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
  endif()
endif()

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(CapnProto REQUIRED)
find_package(absl REQUIRED)
find_package(simdjson REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(spdlog REQUIRED)
find_package(benchmark REQUIRED)
find_package(CAF REQUIRED COMPONENTS core io openssl)
pkg_check_modules(LMDB REQUIRED IMPORTED_TARGET lmdb)
pkg_check_modules(RE2 REQUIRED IMPORTED_TARGET re2)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(LZ4 REQUIRED IMPORTED_TARGET liblz4)
pkg_check_modules(RDKAFKA REQUIRED IMPORTED_TARGET rdkafka)
find_library(WEIR_SNAPPY snappy REQUIRED)
find_library(PG_QUERY_LIBRARY pg_query REQUIRED)
find_path(PG_QUERY_INCLUDE pg_query.h REQUIRED)
add_library(weir_pg_query INTERFACE)
target_link_libraries(weir_pg_query INTERFACE ${PG_QUERY_LIBRARY})
target_include_directories(weir_pg_query SYSTEM INTERFACE ${PG_QUERY_INCLUDE})

# One precompiled header for everything below the actors, and one with CAF for them and what is above: half of what
# most files take to compile.
set(pch_headers <algorithm> <array> <atomic> <chrono> <cstdint> <cstring> <functional> <map> <memory> <mutex>
    <optional> <span> <string> <string_view> <unordered_map> <utility> <variant> <vector> <fstream> <sstream>
    <filesystem> <thread>)
file(WRITE ${CMAKE_BINARY_DIR}/pch/pch.cpp "")
add_library(weir_pch STATIC ${CMAKE_BINARY_DIR}/pch/pch.cpp)
target_precompile_headers(weir_pch PRIVATE ${pch_headers})
file(WRITE ${CMAKE_BINARY_DIR}/pch/actors_pch.cpp "")
add_library(weir_actors_pch STATIC ${CMAKE_BINARY_DIR}/pch/actors_pch.cpp)
target_link_libraries(weir_actors_pch PRIVATE CAF::core CAF::io CAF::openssl)
target_precompile_headers(weir_actors_pch PRIVATE ${pch_headers} <caf/all.hpp> <caf/io/all.hpp>)

# GCC 12 takes short texts that are put together for writes behind their ends, in the library's own headers, whose
# warnings are off unless they are precompiled: for targets that it says this of.
function(weir_no_bounds_warnings name)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(${name} PRIVATE -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread -Wno-restrict)
  endif()
endfunction()

function(weir_use_pch name pch)
  if(NOT pch)
    set(pch weir_pch)
  endif()
  target_precompile_headers(${name} REUSE_FROM ${pch})
endfunction()

function(weir_library name)
  cmake_parse_arguments(ARG "" "PCH" "DEPENDS;PRIVATE;SOURCES" ${ARGN})
  if(NOT ARG_SOURCES)
    file(GLOB ARG_SOURCES CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  endif()
  if(ARG_SOURCES)
    add_library(${name} STATIC ${ARG_SOURCES})
    target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
    target_link_libraries(${name} PUBLIC ${ARG_DEPENDS} PRIVATE ${ARG_PRIVATE})
    weir_use_pch(${name} "${ARG_PCH}")
  else()
    add_library(${name} INTERFACE)
    target_include_directories(${name} INTERFACE ${CMAKE_SOURCE_DIR})
    target_link_libraries(${name} INTERFACE ${ARG_DEPENDS})
  endif()
endfunction()

function(weir_test name)
  cmake_parse_arguments(ARG "" "PCH;TIMEOUT" "SOURCES;DEPENDS;LABELS" ${ARGN})
  if(NOT ARG_SOURCES)
    file(GLOB ARG_SOURCES CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  endif()
  if(NOT ARG_SOURCES)
    return()
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE weir_doctest_main ${ARG_DEPENDS})
  target_compile_definitions(${name} PRIVATE WEIR_SOURCE_DIR="${CMAKE_SOURCE_DIR}"
                                             WEIR_BINARY_DIR="${CMAKE_BINARY_DIR}")
  weir_use_pch(${name} "${ARG_PCH}")
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}")
endfunction()
