//===- EmitTables.cpp - The description of a model that its object carries ------===//
//
// The structs follow fm/runtime.h field by field. The first thing that a program
// does with its object, fm_bind, looks whether the tables make sense.
//
//===----------------------------------------------------------------------===//

#include "compiler/codegen/EmitTables.h"

#include <fm/runtime.h>

#include "llvm/IR/Constants.h"
#include "llvm/IR/DerivedTypes.h"
#include "llvm/IR/Module.h"

using namespace llvm;

namespace fm::codegen {

namespace {

int dtypeOf(ScalarType type) {
  switch (type) {
  case ScalarType::F32: return FM_F32;
  case ScalarType::F64: return FM_F64;
  case ScalarType::I32: return FM_I32;
  case ScalarType::I64: return FM_I64;
  case ScalarType::I8: return FM_I8;
  case ScalarType::I1: return FM_BOOL;
  }
  llvm_unreachable("scalar type");
}

class TableEmitter {
public:
  TableEmitter(const Program &program, Module &module)
      : program(program), module(module), context(module.getContext()), i32(Type::getInt32Ty(context)),
        i64(Type::getInt64Ty(context)), f64(Type::getDoubleTy(context)) {}

  GlobalVariable *run() {
    Constant *table = structure(
        {int32(FM_ABI_VERSION), int32(program.batch), text(program.name), int64(int64_t(program.fingerprint)),
         int64(program.memoryBytes()), int64(program.persistentBytes),
         int64(program.parameterBytes), int32(int64_t(program.tensors.size())),
         int32(int64_t(program.entries.size())), tensorTable(), entryTable(), int32(program.learningRate),
         int32(program.step), int32(program.seed), int32(program.draws)});
    return new GlobalVariable(module, table->getType(), /*isConstant=*/true, GlobalValue::InternalLinkage, table,
                              program.name + "_model");
  }

private:
  Constant *int32(int64_t value) { return ConstantInt::get(i32, value, true); }
  Constant *int64(int64_t value) { return ConstantInt::get(i64, value, true); }
  Constant *number(double value) { return ConstantFP::get(f64, value); }
  Constant *global(Constant *value, const Twine &name) {
    auto *variable = new GlobalVariable(module, value->getType(), /*isConstant=*/true,
                                        GlobalValue::PrivateLinkage, value, name);
    return variable;
  }
  Constant *text(const std::string &value) {
    return global(ConstantDataArray::getString(context, value), "name");
  }
  Constant *structure(ArrayRef<Constant *> fields) { return ConstantStruct::getAnon(context, fields); }
  /// Pointer to an array of equal structs, or null if there are none.
  Constant *array(ArrayRef<Constant *> elements, const Twine &name) {
    if (elements.empty())
      return ConstantPointerNull::get(PointerType::getUnqual(context));
    auto *type = ArrayType::get(elements.front()->getType(), elements.size());
    return global(ConstantArray::get(type, elements), name);
  }

  Constant *tensorTable() {
    SmallVector<Constant *> rows;
    for (const PersistentTensor &t : program.tensors) {
      SmallVector<Constant *> shape, dims;
      for (int64_t size : t.shape)
        shape.push_back(int64(size));
      for (const PhysicalDim &dim : t.dims)
        dims.push_back(structure({int32(dim.logical), int32(0), int64(dim.divisor), int64(dim.modulus),
                                  int64(dim.extent.size), int64(dim.stride)}));
      rows.push_back(structure({text(t.name), int32(dtypeOf(t.type)), int32(int(t.kind)), int32(t.trained),
                                int32(int64_t(t.shape.size())), array(shape, "shape"), int64(t.offset),
                                int64(t.bytes), int32(int64_t(t.dims.size())), int32(t.initializer),
                                array(dims, "physical"), number(t.initA), number(t.initB),
                                int64(t.fanIn), int64(t.fanOut)}));
    }
    return array(rows, "tensors");
  }

  Constant *entryTable() {
    SmallVector<Constant *> rows;
    for (const Entry &entry : program.entries) {
      SmallVector<Constant *> arguments;
      for (const EntryArgument &a : entry.arguments) {
        bool perSample = false;
        int64_t elements = 1;
        for (const Extent &extent : a.shape) {
          perSample |= extent.isSamples;
          elements *= extent.isSamples ? 1 : extent.size;
        }
        bool grads = a.role == EntryArgument::Role::Gradients;
        arguments.push_back(structure({text(a.name), int32(grads ? FM_I8 : dtypeOf(a.type)),
                                       int32(perSample), int32(a.isOutput), int32(0),
                                       int64(grads ? program.parameterBytes : elements),
                                       int64(a.indexBound)}));
      }
      rows.push_back(structure({text(entry.name), int32(int64_t(entry.arguments.size())),
                                int32(entry.advancesStep), int32(entry.advancesDraws), int32(entry.outdates),
                                array(arguments, "arguments")}));
    }
    return array(rows, "entries");
  }

  const Program &program;
  Module &module;
  LLVMContext &context;
  IntegerType *i32, *i64;
  Type *f64;
};

} // namespace

GlobalVariable *emitModelTable(const Program &program, Module &module) { return TableEmitter(program, module).run(); }

} // namespace fm::codegen
