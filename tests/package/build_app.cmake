# cmake -D FMC_BUILD=... -D SOURCE=... -D WORK=... -D ARGUMENTS=a|b -P build_app.cmake
# Installs the build tree FMC_BUILD below WORK, moves the prefix (nothing in it
# may know where it lay), builds SOURCE against it and runs its programs.
function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    list(JOIN ARGV " " line)
    message(FATAL_ERROR "${line}\nexit code ${result}\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

string(REPLACE "|" ";" ARGUMENTS "${ARGUMENTS}")
file(REMOVE_RECURSE ${WORK})
run(${CMAKE_COMMAND} --install ${FMC_BUILD} --prefix ${WORK}/first)
file(RENAME ${WORK}/first ${WORK}/prefix)

# Neither the build tree nor a compiler chosen for it may leak into the user's project.
unset(ENV{CFLAGS})
unset(ENV{CXXFLAGS})
run(${CMAKE_COMMAND} -S ${SOURCE} -B ${WORK}/build -G Ninja
  -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH=${WORK}/prefix ${ARGUMENTS})
run(${CMAKE_COMMAND} --build ${WORK}/build)
foreach(program app app_c app_dsl)
  run(${WORK}/build/${program})
  message(STATUS "${program}: ${output}")
endforeach()

# Nothing changed: nothing may be built.
run(${CMAKE_COMMAND} --build ${WORK}/build)
if(NOT output MATCHES "no work to do")
  message(FATAL_ERROR "a second build had work to do:\n${output}")
endif()
