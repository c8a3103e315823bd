# The lit tests: .mlir and .fm files with RUN lines, anywhere below tests/.
#
# Substitutions: fmc, fmc-opt, FileCheck, not, count stand for the programs of
# this build; %build is its folder, %source the repository's root, %examples its
# examples; %elsewhere is a target that this machine cannot run.
import os
import platform
import re

import lit.formats

config.name = "fmc"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".fm"]
# Folders with models and data that tests read, and with tests of other kinds.
config.excludes = ["inputs", "goldens", "package", "support", "artefact"]
config.test_source_root = os.path.dirname(__file__)

config.environment["PATH"] = os.pathsep.join(
    [config.fmc_bin_dir, config.llvm_tools_dir, config.environment["PATH"]]
)
# Messages are compared as text.
config.environment["LC_ALL"] = "C"
config.environment["NO_COLOR"] = "1"

programs = {
    "fmc-opt": config.fmc_bin_dir,
    "fmc": config.fmc_bin_dir,
    "FileCheck": config.llvm_tools_dir,
    "not": config.llvm_tools_dir,
    "count": config.llvm_tools_dir,
    "split-file": config.llvm_tools_dir,
}
for name, folder in programs.items():
    path = os.path.join(folder, name)
    # A whole word: not part of a path, an option or a longer name.
    word = r"(?<![\w./-])" + re.escape(name) + r"(?![\w./-])"
    config.substitutions.append((word, path))

config.substitutions.append(("%build", os.path.dirname(config.fmc_bin_dir)))
config.substitutions.append(("%source", config.source_dir))
config.substitutions.append(("%examples", os.path.join(config.source_dir, "examples")))
config.substitutions.append(
    ("%elsewhere", "x86_64-linux-gnu" if platform.machine() == "aarch64" else "aarch64-linux-gnu")
)
