# What `cmake --install` puts where. The runtime travels as source, so that it
# fits every target for which a model is compiled.
#
#   bin/fmc
#   include/fm/*.h              what generated headers include
#   share/fmc/runtime/fm/*.c    the runtime's source
#   lib/cmake/fmc/              find_package(fmc)
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(FMC_INSTALL_BINDIR ${CMAKE_INSTALL_BINDIR})
set(FMC_INSTALL_INCLUDEDIR ${CMAKE_INSTALL_INCLUDEDIR})
set(FMC_INSTALL_SOURCEDIR ${CMAKE_INSTALL_DATADIR}/fmc/runtime)
set(FMC_INSTALL_CMAKEDIR ${CMAKE_INSTALL_LIBDIR}/cmake/fmc)

install(TARGETS fmc RUNTIME DESTINATION ${FMC_INSTALL_BINDIR})
# With the private headers that lie beside the sources.
install(DIRECTORY ${CMAKE_SOURCE_DIR}/runtime/fm DESTINATION ${FMC_INSTALL_SOURCEDIR}
  FILES_MATCHING PATTERN "*.c" PATTERN "*.h")
install(FILES ${CMAKE_SOURCE_DIR}/runtime/fm/runtime.h DESTINATION ${FMC_INSTALL_INCLUDEDIR}/fm)

configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/fmcConfig.cmake.in
  ${CMAKE_BINARY_DIR}/cmake/fmcConfig.cmake
  INSTALL_DESTINATION ${FMC_INSTALL_CMAKEDIR}
  PATH_VARS FMC_INSTALL_BINDIR FMC_INSTALL_INCLUDEDIR FMC_INSTALL_SOURCEDIR)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/cmake/fmcConfigVersion.cmake
  VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES
  ${CMAKE_BINARY_DIR}/cmake/fmcConfig.cmake
  ${CMAKE_BINARY_DIR}/cmake/fmcConfigVersion.cmake
  ${CMAKE_SOURCE_DIR}/cmake/FmcAddModel.cmake
  DESTINATION ${FMC_INSTALL_CMAKEDIR})
install(FILES ${CMAKE_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/fmc)
