# fmc_add_model(target model.fm [NAME name] [OPTIONS option...])
#
# Compiles a model with fmc when it has changed, and gives `target` (C or C++,
# an executable or a library) its object, its header `name.h` and the runtime.
#
#   NAME     how the object and the header are called; the file's stem by default
#   OPTIONS  passed to `fmc compile`, for example -D batch=32
#
# Choices that `fmc tune` has kept in `model.tune` beside the model are taken, and
# followed like the model itself (a file that is new: when CMake runs again).
#
# A target may have several models, and several targets the same one. In a cross
# build fmc runs on the host and compiles for the target's triple; the runtime is
# source and is compiled with the project.
include_guard(GLOBAL)

function(fmc_add_model target model)
  cmake_parse_arguments(PARSE_ARGV 2 ARG "" "NAME" "OPTIONS")
  if(ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "fmc_add_model: unknown argument '${ARG_UNPARSED_ARGUMENTS}'")
  endif()
  if(NOT TARGET ${target})
    message(FATAL_ERROR "fmc_add_model: there is no target '${target}'")
  endif()
  get_filename_component(model ${model} ABSOLUTE)
  if(NOT EXISTS ${model})
    message(FATAL_ERROR "fmc_add_model: there is no file ${model}")
  endif()
  if(NOT ARG_NAME)
    get_filename_component(ARG_NAME ${model} NAME_WE)
  endif()

  # One folder for each target: the same model may be built with other options.
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/fmc/${target})
  set(object ${folder}/${ARG_NAME}.o)
  set(header ${folder}/${ARG_NAME}.h)
  file(MAKE_DIRECTORY ${folder})

  string(REGEX REPLACE "\\.[^./]*$" ".tune" tuned ${model})
  if(NOT EXISTS ${tuned})
    set(tuned)
  endif()

  set(options ${ARG_OPTIONS})
  if(CMAKE_CROSSCOMPILING AND NOT options MATCHES "--target")
    if(CMAKE_C_COMPILER_TARGET)
      list(APPEND options --target=${CMAKE_C_COMPILER_TARGET})
    elseif(CMAKE_LIBRARY_ARCHITECTURE)
      list(APPEND options --target=${CMAKE_LIBRARY_ARCHITECTURE})
    else()
      list(APPEND options --target=${CMAKE_SYSTEM_PROCESSOR}-linux-gnu)
    endif()
  endif()

  add_custom_command(
    OUTPUT ${object} ${header}
    COMMAND fmc::fmc compile ${model} -o ${folder} ${options}
    DEPENDS ${model} ${tuned} fmc::fmc
    COMMENT "Compiling model ${ARG_NAME} for ${target}"
    VERBATIM)

  set_source_files_properties(${object} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
  target_sources(${target} PRIVATE ${object} ${header})
  target_include_directories(${target} PRIVATE ${folder})
  target_link_libraries(${target} PRIVATE fmc::runtime)
endfunction()
