# Compiler settings and the helpers by which every folder declares its targets.
#
#   fmc_add_library(name SOURCES... LINK_LIBS ... [MLIR])
#   fmc_add_test(name SOURCES... LINK_LIBS ...)       GoogleTest, run by ctest
#
# Include root is the repository root; generated files are found under the same
# relative path in the build tree.

find_program(FMC_CCACHE ccache)
if(FMC_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER ${FMC_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${FMC_CCACHE})
  # Precompiled headers and ccache agree only with this, and with the
  # CCACHE_SLOPPINESS that scripts/build sets.
  add_compile_options("$<$<COMPILE_LANG_AND_ID:CXX,Clang>:-Xclang;-fno-pch-timestamp>")
endif()

set(FMC_SANITIZE "" CACHE STRING "Build fmc itself and its tests with this -fsanitize= value")

find_package(LLVM 19.1 REQUIRED CONFIG HINTS /usr/lib/llvm-19/lib/cmake/llvm)
find_package(MLIR 19.1 REQUIRED CONFIG HINTS /usr/lib/llvm-19/lib/cmake/mlir)
find_package(LLD 19.1 REQUIRED CONFIG HINTS /usr/lib/llvm-19/lib/cmake/lld)
list(APPEND CMAKE_MODULE_PATH ${MLIR_CMAKE_DIR} ${LLVM_CMAKE_DIR})
include(TableGen)
include(AddLLVM)
include(AddMLIR)

find_package(Threads REQUIRED)

add_library(fmc_options INTERFACE)
target_include_directories(fmc_options INTERFACE
  ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR}/runtime)
target_compile_options(fmc_options INTERFACE
  -Wall -Wextra -Wno-unused-parameter
  $<$<COMPILE_LANGUAGE:CXX>:-fvisibility-inlines-hidden>)

if(FMC_SANITIZE)
  # LLVM has no RTTI, which two of the checks need. It is not instrumented: run
  # with ASAN_OPTIONS=detect_leaks=0:detect_container_overflow=0:allow_user_poisoning=0
  target_compile_options(fmc_options INTERFACE
    -fsanitize=${FMC_SANITIZE} -fno-sanitize=vptr,function -fno-omit-frame-pointer)
  target_link_options(fmc_options INTERFACE -fsanitize=${FMC_SANITIZE})
endif()

# MLIR and LLVM come as one shared library each: linking stays fast, and Halide's
# own LLVM 14 stays apart by symbol versions.
add_library(fmc_mlir INTERFACE)
target_include_directories(fmc_mlir SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
target_link_libraries(fmc_mlir INTERFACE MLIR LLVM)
separate_arguments(FMC_LLVM_DEFINITIONS NATIVE_COMMAND ${LLVM_DEFINITIONS})
target_compile_definitions(fmc_mlir INTERFACE ${FMC_LLVM_DEFINITIONS})

function(fmc_add_library name)
  cmake_parse_arguments(ARG "MLIR" "" "LINK_LIBS;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PUBLIC fmc_options ${ARG_LINK_LIBS})
  if(ARG_MLIR)
    target_link_libraries(${name} PUBLIC fmc_mlir)
    if(NOT TARGET fmc_pch)
      # One precompiled header for all that see MLIR.
      file(WRITE ${CMAKE_BINARY_DIR}/pch/pch.cpp "")
      add_library(fmc_pch OBJECT ${CMAKE_BINARY_DIR}/pch/pch.cpp)
      target_link_libraries(fmc_pch PRIVATE fmc_options fmc_mlir)
      target_precompile_headers(fmc_pch PRIVATE ${CMAKE_SOURCE_DIR}/cmake/mlir_pch.h)
    endif()
    target_precompile_headers(${name} REUSE_FROM fmc_pch)
  endif()
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
endfunction()

function(fmc_add_test name)
  if(NOT FMC_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "LINK_LIBS" ${ARGN})
  find_package(GTest REQUIRED)
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE fmc_options ${ARG_LINK_LIBS} GTest::gtest GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
endfunction()
