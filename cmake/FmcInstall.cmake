# What `cmake --install` puts where. The runtime travels as source, so that it
# fits every target for which a model is compiled.
#
#   bin/fmc
#   include/fm/*.h              what generated headers include, and the DSL
#   lib/libfmDsl.so             the compiler as a library, for the DSL
#   share/fmc/runtime/*.c       the runtime's source, with its private headers
#   lib/cmake/fmc/              find_package(fmc)
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(FMC_INSTALL_BINDIR ${CMAKE_INSTALL_BINDIR})
set(FMC_INSTALL_LIBDIR ${CMAKE_INSTALL_LIBDIR})
set(FMC_INSTALL_INCLUDEDIR ${CMAKE_INSTALL_INCLUDEDIR})
set(FMC_INSTALL_SOURCEDIR ${CMAKE_INSTALL_DATADIR}/fmc/runtime)
set(FMC_INSTALL_CMAKEDIR ${CMAKE_INSTALL_LIBDIR}/cmake/fmc)

install(TARGETS fmc RUNTIME DESTINATION ${FMC_INSTALL_BINDIR})
install(TARGETS fmDsl LIBRARY DESTINATION ${FMC_INSTALL_LIBDIR})
install(FILES ${CMAKE_SOURCE_DIR}/frontend/dsl/fm/dsl.h ${FMC_DSL_INCLUDE}/fm/dsl_ops.h
  DESTINATION ${FMC_INSTALL_INCLUDEDIR}/fm)
get_property(runtime_files GLOBAL PROPERTY FM_RUNTIME_FILES)
foreach(file IN LISTS runtime_files)
  get_filename_component(folder ${file} DIRECTORY)
  if(folder) # fm/: the public headers
    install(FILES ${CMAKE_SOURCE_DIR}/runtime/${file} DESTINATION ${FMC_INSTALL_INCLUDEDIR}/${folder})
  else()
    install(FILES ${CMAKE_SOURCE_DIR}/runtime/${file} DESTINATION ${FMC_INSTALL_SOURCEDIR})
  endif()
endforeach()

configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/fmcConfig.cmake.in
  ${CMAKE_BINARY_DIR}/cmake/fmcConfig.cmake
  INSTALL_DESTINATION ${FMC_INSTALL_CMAKEDIR}
  PATH_VARS FMC_INSTALL_BINDIR FMC_INSTALL_LIBDIR FMC_INSTALL_INCLUDEDIR FMC_INSTALL_SOURCEDIR)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/cmake/fmcConfigVersion.cmake
  VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES
  ${CMAKE_BINARY_DIR}/cmake/fmcConfig.cmake
  ${CMAKE_BINARY_DIR}/cmake/fmcConfigVersion.cmake
  ${CMAKE_SOURCE_DIR}/cmake/FmcAddModel.cmake
  DESTINATION ${FMC_INSTALL_CMAKEDIR})
install(FILES ${CMAKE_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/fmc)
