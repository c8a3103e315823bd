#!/usr/bin/env python3
"""Proves that the tests notice a wrong sign in any adjoint.

    tests/mutation/run.py [--only PATTERN] [--list]

A mutant is an op and one of its operands: the gradient of that operand, as the
op's adjoint in compiler/ir builds it, is negated. All mutants are made by one
compiler, which negates what the variable FMC_MUTANT names, so that only
passes/Differentiate.cpp is compiled again: it is changed for as long as that
takes and put back as it was. Then every model of tests/e2e/models in which the
mutant occurs is given to `fmc check`, until one fails.

Exit code 1 if a mutant survives. Adjoints that no loss reaches (second
derivatives) are listed at the end. Not part of scripts/test: about a second a
mutant, and a minute before.
"""
import argparse
import fnmatch
import glob
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("FMC_BUILD_DIR", os.path.join(ROOT, "build"))
PASS = os.path.join(ROOT, "passes/Differentiate.cpp")
MUTANT_FMC = os.path.join(BUILD, "bin/fmc-mutants")

ANCHOR = "buildAdjoint(builder, gradients, wanted);\n"
HOOK = ANCHOR + """    for (size_t i = 0; i < shares.size() && i < wanted.size(); ++i) {
      if (!wanted[i] || !shares[i])
        continue;
      std::string mutant = op->getName().stripDialect().str() + ":" + std::to_string(i);
      if (const char *path = std::getenv("FMC_MUTANTS_SEEN"))
        if (FILE *file = std::fopen(path, "a")) {
          std::fprintf(file, "%s\\n", mutant.c_str());
          std::fclose(file);
        }
      if (const char *wrong = std::getenv("FMC_MUTANT"); wrong && mutant == wrong)
        shares[i] = builder.create<ir::NegOp>(op->getLoc(), shares[i]);
    }
"""


def build_mutants():
    """One compiler with all mutants in it, beside the ordinary one."""
    fmc = os.path.join(BUILD, "bin/fmc")
    build = [os.path.join(ROOT, "scripts/build"), "fmc"]
    with open(PASS) as file:
        original = file.read()
    if original.count(ANCHOR) != 1:
        sys.exit(f"{PASS}: expected one call of buildAdjoint")
    try:
        with open(PASS, "w") as file:
            file.write("#include <cstdio>\n#include <cstdlib>\n#include <string>\n" + original.replace(ANCHOR, HOOK))
        subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
        shutil.copy2(fmc, MUTANT_FMC)
    finally:
        with open(PASS, "w") as file:
            file.write(original)
        subprocess.run(build, check=True, stdout=subprocess.DEVNULL)


def check(model, **variables):
    """(exit code, what was printed) of `fmc check`."""
    result = subprocess.run([MUTANT_FMC, "check", model], env={**os.environ, **variables},
                            capture_output=True, text=True)
    return result.returncode, result.stdout + result.stderr


def all_adjoints():
    """Mnemonics of the ops that say how they are differentiated."""
    names = set()
    for path in glob.glob(os.path.join(ROOT, "compiler/ir/*.cpp")):
        with open(path) as file:
            names |= set(re.findall(r"^FM_ADJOINT\((\w+)Op\)", file.read(), re.M))
    mnemonics = {re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower() for name in names}
    for path in glob.glob(os.path.join(ROOT, "compiler/ir/*.td")):
        with open(path) as file:
            mnemonics |= set(re.findall(r'Fm_(?:Primitive|Composed)Op<"(\w+)"', file.read()))
    return mnemonics


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="*", help="mutants, such as 'mul:*'")
    parser.add_argument("--list", action="store_true", help="only say which mutants there are")
    arguments = parser.parse_args()

    build_mutants()
    seen_file = os.path.join(BUILD, "mutants-seen")
    models = {}  # mutant -> models
    for model in sorted(glob.glob(os.path.join(ROOT, "tests/e2e/models/*.fm"))):
        open(seen_file, "w").close()
        code, text = check(model, FMC_MUTANTS_SEEN=seen_file)
        if code != 0:
            sys.exit(f"{model} fails without a mutant:\n{text}")
        with open(seen_file) as file:
            for mutant in sorted(set(file.read().split())):
                models.setdefault(mutant, []).append(model)

    survivors = []
    for mutant in sorted(models):
        if not fnmatch.fnmatch(mutant, arguments.only):
            continue
        if arguments.list:
            print(mutant, *(os.path.basename(model) for model in models[mutant]))
            continue
        for model in models[mutant]:
            code, text = check(model, FMC_MUTANT=mutant)
            if code == 1 and "differs from finite differences" in text:
                print(f"{mutant:24} found by {os.path.basename(model)}", flush=True)
                break
        else:
            survivors.append(mutant)
            print(f"{mutant:24} SURVIVES", flush=True)

    unreached = all_adjoints() - {mutant.split(":")[0] for mutant in models}
    if unreached:
        print("not reached from a loss:", *sorted(unreached))
    sys.exit(1 if survivors else 0)


if __name__ == "__main__":
    main()
