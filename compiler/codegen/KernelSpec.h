//===- KernelSpec.h - The border between the IR and kernel generators -----===//
//
// A kernel, described in plain structs: what it reads, what it computes per
// element, what it writes. The MLIR side translates an `fm.kernel` region into
// a KernelSpec; the Halide side turns a KernelSpec into bitcode. No file
// includes both worlds, they meet here.
//
// A kernel is a DAG of stages. Each stage defines one or more results over a
// rectangular domain, either pointwise or as a reduction, and reads the
// kernel's inputs and earlier stages at arbitrary index expressions. How
// stages are fused, tiled, vectorised and parallelised is not said here: that
// is the schedule's business.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_KERNELSPEC_H
#define FM_COMPILER_CODEGEN_KERNELSPEC_H

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace fm::codegen {

enum class ScalarType : uint8_t { I1, I8, I32, I64, F32, F64 };

/// Bytes one element occupies in memory (I1 is stored as one byte).
int64_t sizeOf(ScalarType type);
inline bool isFloat(ScalarType type) { return type >= ScalarType::F32; }

/// Length of one dimension: a constant, or the number of samples `n` that the
/// caller passes at run time, 1 <= n <= size.
struct Extent {
  int64_t size = 1;
  bool isSamples = false;
  friend bool operator==(const Extent &, const Extent &) = default;
};

enum class Op : uint8_t {
  // Leaves.
  Constant,    ///< `floatValue` or `intValue`, according to the type
  Index,       ///< loop index number `number`: the stage's domain dimensions
               ///< first, then its reduction dimensions; type I64
  Samples,     ///< the run-time sample count n; type I64
  Strip,       ///< the run-time number of the strip; type I64
  Load,        ///< element of `source` at `operands` (one I64 per dimension)
  Accumulator, ///< in an update: current value of this stage's result `number`
  // Arithmetic; both operands and the result have the same type.
  Add, Sub, Mul,
  Div,                ///< float division, or integer division towards zero
  FloorDiv, FloorMod, ///< integers only; floor semantics
  Min, Max,           ///< float: a NaN operand yields NaN
  And, Or, Xor,       ///< integers and I1
  ShiftLeft, ShiftRightLogical,
  // Comparisons: operands of one type, result I1; ordered for floats.
  Eq, Ne, Lt, Le, Gt, Ge,
  Select,             ///< operands: condition (I1), value if true, if false;
                      ///< `intValue` 1: true but at the first steps of a loop
  Cast,               ///< to `type`; float to integer truncates
  // Unary, floating point (Neg and Abs also on integers).
  Neg, Abs, Exp, Log, Sqrt, Rsqrt, Tanh, Sigmoid, Erf, Floor, Ceil,
  Pow,                ///< binary
};

/// Names a tensor that a Load can read: a kernel input or a stage's result.
struct TensorRef {
  enum class Kind : uint8_t { Input, Stage } kind = Kind::Input;
  unsigned index = 0;  ///< which input, or which stage
  unsigned result = 0; ///< which result of the stage
  friend bool operator==(const TensorRef &, const TensorRef &) = default;
};

struct Expr;
/// Expressions are immutable and shared: a node reached twice is one value.
using ExprRef = std::shared_ptr<const Expr>;

struct Expr {
  Op op = Op::Constant;
  ScalarType type = ScalarType::F32;
  double floatValue = 0;
  int64_t intValue = 0;
  unsigned number = 0; ///< Index: loop number; Accumulator: result number
  TensorRef source;    ///< Load only
  std::vector<ExprRef> operands;
};

/// One value per point of a stage's domain.
struct Result {
  ScalarType type = ScalarType::F32;
  /// Pointwise value, or where the stage reduces the value it starts from.
  /// May use the domain's indices only.
  ExprRef init;
  /// The value after one more reduction point; null for a pointwise stage. Uses
  /// Accumulator nodes, and the domain's and the reduction's indices.
  ExprRef update;
};

struct Stage {
  std::string name;
  std::vector<Extent> domain;    ///< outermost first, as in the IR
  std::vector<Extent> reduction; ///< empty: pointwise
  std::vector<Result> results;   ///< all over the same domain
  /// Per dimension of the domain, or empty: so many neighbours, from a multiple
  /// on, share most of their arithmetic. Selections on the position in such a
  /// group are decided where the schedule writes the group out.
  std::vector<int64_t> together;
  bool reduces() const { return !reduction.empty(); }
};

/// One dimension of a buffer in memory. It holds the part
/// `(index[logical] floordiv divisor) mod modulus` of a logical index.
struct PhysicalDim {
  unsigned logical = 0;
  int64_t divisor = 1;
  int64_t modulus = 0; ///< 0: no modulus
  Extent extent;
  int64_t stride = 1;  ///< in elements
  /// Of an output: each element replaces the one before it (PassingSums.h).
  bool carries() const { return stride == 0 && extent.size > 1; }
  friend bool operator==(const PhysicalDim &, const PhysicalDim &) = default;
};

/// A tensor in memory: its logical shape, and where each element lies.
struct Buffer {
  std::string name;
  ScalarType type = ScalarType::F32;
  std::vector<Extent> shape;     ///< logical, outermost first
  std::vector<PhysicalDim> dims; ///< outermost first; strides are explicit
  int64_t offset = 0;            ///< elements, from the pointer passed
  /// Memory of the application: exactly the n samples given are there, and the
  /// base may be aligned to an element only. Else the memory is fmc's own: 64
  /// bytes aligned, all rows up to the largest n are there, and they and up to
  /// 256 bytes behind the end may be read (so that the last vector of a row need
  /// not be masked). Nothing but the n samples is ever written: neither rows
  /// behind them nor what lies between rows; only blocks are written whole.
  bool external = false;
  /// Inputs of a kernel's scheduled form only, behind all others: the output
  /// whose memory this is, read where it has been written; or -1.
  int aliasOf = -1;
  /// It lies in the L2, before and after: of a strip's kernel, what is made, or
  /// read for the last time, by another one in the same run of strips; or all
  /// that an entry touches lies there, and threads do not share the kernel.
  bool nearby = false;
};

/// What the last `rank` dimensions make begins every `pitch` elements.
struct Pitch {
  size_t rank = 1;
  int64_t pitch = 0;
};
/// Row-major dims for `shape`; dense but for `pitches`, of increasing rank.
std::vector<PhysicalDim> rowMajor(const std::vector<Extent> &shape,
                                  const std::vector<Pitch> &pitches = {});

/// A matrix of `shape` in panels of `width` columns, one behind the other: what a
/// tile of columns reads, row after row, lies without gaps. `width` divides the
/// columns. Panels of whole KiB lie one cache line further apart (RowPitch.h).
/// With a negative width: the transposed matrix, in panels of so many rows.
std::vector<PhysicalDim> inPanels(const std::vector<Extent> &shape,
                                  int64_t width, int64_t elementBytes);

/// Whether it is such a matrix, or one transposed.
bool liesInPanels(const Buffer &buffer);

/// Lets samples follow each other where they lie further apart. Returns how many
/// elements lay between one and the next, or 0 if it changed nothing.
int64_t packSamples(Buffer &buffer);

/// Whether each logical dimension is one of the buffer's: no blocks.
bool isPlain(const Buffer &buffer);

struct Output {
  unsigned stage = 0;
  unsigned result = 0;
  /// `shape` equals the stage's domain. Along a dimension that carries, elements
  /// are computed in order.
  Buffer buffer;
  /// Input that lies in the same memory with the same dims, or -1. It is read
  /// only at the very point that is then overwritten; other outputs that need
  /// it have the same shape and the same dims up to order and strides, so that
  /// one loop nest computes them all.
  int inPlace = -1;
};

struct KernelSpec {
  std::string name;            ///< symbol; a C identifier
  /// > 0: it is called for at most so many samples, time and again, from inside
  /// of a task; with more it is right, but not made for them.
  int64_t samplesAtOnce = 0;
  /// > 1: it computes one strip of one sample in so many. The caller passes the
  /// strip's number in place of n, and pointers to what lies in that strip (see
  /// CutStrips.h); nothing has samples.
  int64_t strips = 1;
  std::vector<Buffer> inputs;
  std::vector<Stage> stages;   ///< producers before consumers
  std::vector<Output> outputs; ///< each stage result at most once
};

/// Well-formedness: types agree, indices are in range, producers come first.
/// Returns an empty string, or what is wrong.
std::string verify(const KernelSpec &spec);

/// Readable dump, for `--emit=kernels` and test failures.
std::string toString(const KernelSpec &spec);

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_KERNELSPEC_H
