//===- GroupPlanner.h - The loop nests of a group of outputs --------------===//
#ifndef FM_COMPILER_CODEGEN_GROUPPLANNER_H
#define FM_COMPILER_CODEGEN_GROUPPLANNER_H

#include <string>
#include <vector>

#include "compiler/codegen/Schedule.h"

namespace fm::codegen {

/// Plans group `number`, which writes `outputs`. `storedBy`: per stage and
/// result, the group that stores it, or -1. `choice` and `query` are about all
/// groups, whose nests are counted by `nests`: this group's are added to it. A
/// choice that is illegal goes to `problem`, unless there is one already; a
/// stage that finds no place to `error`.
Group planGroup(const KernelSpec &spec, const MachineModel &machine,
                const std::vector<std::vector<int>> &storedBy, int number,
                const std::vector<unsigned> &outputs,
                const ScheduleChoice &choice, ChoiceQuery *query, size_t &nests,
                ChoiceProblem &problem, std::string &error);

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_GROUPPLANNER_H
