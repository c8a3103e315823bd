//===- LowerWinograd.cpp - Transforms of fast convolutions to linalg --------===//
//
// A transform is a matrix applied along both dimensions of a tile, one after the
// other. An element is described by a selection among the formulas of its whole
// column or row; the schedule computes those at once (`fm.together`), where every
// selection is decided and what elements share is computed once.
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/LowerSupport.h"
#include "compiler/ir/Together.h"

using namespace mlir;

namespace fm::ir {

namespace {

// Toom and Cook's algorithm with the points 0, a, -a, b, -b and infinity. With
// a = 3/4 and b = 3/2 all elements but those of G are exact, and of the pairs
// tried the rounding is the least: with normally distributed data and 64
// channels 1.6e-6 of the largest result, 1.0e-6 for a plain sum, 6.3e-6 for the
// customary 1 and 2. (Blahut, "Fast algorithms for signal processing", 2010,
// chapter 5; on points: Barabasz et al., ACM TOMS 46, 2020.)
constexpr double a = 0.75, b = 1.5;
constexpr double a2 = a * a, b2 = b * b;

/// Rows of a linear map. Either its rows or its columns belong to the points;
/// those of a and -a, and of b and -b, are alike but for every other sign.
struct Transform {
  int rows, columns;
  bool pointsAreRows;
  std::array<std::array<double, 6>, 6> at;
};

/// m(x) = x (x^2 - a^2) (x^2 - b^2), divided by x - point; infinity: m itself.
constexpr Transform inputTransform = {6, 6, true, {{
    {a2 * b2, 0, -(a2 + b2), 0, 1, 0},
    {0, -a * b2, -b2, a, 1, 0},
    {0, a * b2, -b2, -a, 1, 0},
    {0, -a2 * b, -a2, b, 1, 0},
    {0, a2 * b, -a2, -b, 1, 0},
    {0, a2 * b2, 0, -(a2 + b2), 0, 1}}}};

/// [1, p, p^2, p^3] of each point.
constexpr Transform outputGradTransform = {6, 4, true, {{
    {1, 0, 0, 0},
    {1, a, a2, a * a2},
    {1, -a, a2, -a * a2},
    {1, b, b2, b * b2},
    {1, -b, b2, -b * b2},
    {0, 0, 0, 1}}}};

/// [1, p, p^2] / (m / (x - p))(p).
constexpr double atA = 1 / (2 * a2 * (a2 - b2)), atB = 1 / (2 * b2 * (b2 - a2));
constexpr Transform kernelTransform = {6, 3, true, {{
    {1 / (a2 * b2), 0, 0},
    {atA, a * atA, a2 * atA},
    {atA, -a * atA, a2 * atA},
    {atB, b * atB, b2 * atB},
    {atB, -b * atB, b2 * atB},
    {0, 0, 1}}}};

constexpr Transform transposed(const Transform &t) {
  Transform result = {t.columns, t.rows, !t.pointsAreRows, {}};
  for (int i = 0; i < t.rows; ++i)
    for (int j = 0; j < t.columns; ++j)
      result.at[j][i] = t.at[i][j];
  return result;
}
constexpr Transform outputTransform = transposed(outputGradTransform);
constexpr Transform kernelGradTransform = transposed(kernelTransform);

/// The kernel that is turned: columns in reverse.
constexpr Transform reversed(Transform t) {
  for (auto &row : t.at)
    for (int j = 0; j < t.columns / 2; ++j)
      std::swap(row[j], row[t.columns - 1 - j]);
  return t;
}
constexpr Transform flippedKernelTransform = reversed(kernelTransform);

/// Formulas of transforms in the body of a linalg.generic.
class Formulas {
public:
  Formulas(IndexBuilder &at, Type type) : at(at), type(type) {}

  /// All rows of t x.
  SmallVector<Value> apply(const Transform &t, ArrayRef<Value> x) {
    SmallVector<Value> y;
    if (t.pointsAreRows) {
      // Rows in pairs: with s the sum over every other column, from the first
      // or the last on, and d over the rest, they are s + d and s - d.
      for (int i = 0; i < t.rows; ++i) {
        const bool pair = i == 1 || i == 3;
        if (!pair) {
          y.push_back(sum(t.at[i], x, 0, 1));
          continue;
        }
        int same = 0;
        while (t.at[i][same] == 0 || t.at[i][same] != t.at[i + 1][same])
          ++same;
        Value s = sum(t.at[i], x, same % 2, 2), d = sum(t.at[i], x, 1 - same % 2, 2);
        y.push_back(add(s, d));
        y.push_back(subtract(s, d));
        ++i;
      }
      return y;
    }
    SmallVector<Value> sums = {x[0], add(x[1], x[2]), add(x[3], x[4]), x[5]};
    SmallVector<Value> differences = {x[0], subtract(x[1], x[2]), subtract(x[3], x[4]), x[5]};
    for (int i = 0; i < t.rows; ++i) {
      const auto &row = t.at[i];
      std::array<double, 6> factors = {row[0], row[1], row[3], row[5]};
      y.push_back(sum(factors, row[1] == row[2] ? sums : differences, 0, 1));
    }
    return y;
  }

  /// values[index], where `index` is known when the tile is written out.
  Value choose(Value index, ArrayRef<Value> values) {
    Value result = values.back();
    for (size_t i = values.size() - 1; i-- > 0;)
      result = at.select(at.equals(index, int64_t(i)), values[i], result);
    return result;
  }

private:
  Value add(Value x, Value y) { return at.builder.create<arith::AddFOp>(at.loc, x, y); }
  Value subtract(Value x, Value y) { return at.builder.create<arith::SubFOp>(at.loc, x, y); }
  Value sum(const std::array<double, 6> &factors, ArrayRef<Value> x, size_t first, size_t step) {
    Value result;
    for (size_t i = first; i < x.size(); i += step) {
      if (factors[i] == 0)
        continue;
      Value term = factors[i] == 1 ? x[i]
                                   : at.builder.create<arith::MulFOp>(at.loc, x[i], at.number(type, factors[i]));
      result = result ? add(result, term) : term;
    }
    return result;
  }

  IndexBuilder &at;
  Type type;
};

/// A pointwise op whose elements are rows of t x: which one, and the elements of
/// x, follow from the place.
Value buildRows(LoweringContext &context, Location loc, RankedTensorType type, const Transform &t,
                ArrayRef<int64_t> periods, function_ref<Value(IndexBuilder &)> row,
                function_ref<Value(IndexBuilder &, int)> x) {
  Value result = buildGather(context, loc, type, {}, {}, [&](IndexBuilder &at, ValueRange) {
    SmallVector<Value> elements;
    for (int i = 0; i < t.columns; ++i)
      elements.push_back(x(at, i));
    Formulas formulas(at, type.getElementType());
    return formulas.choose(row(at), formulas.apply(t, elements));
  });
  setTogether(result.getDefiningOp<linalg::GenericOp>(), periods);
  return result;
}

/// Tiles [n, p, 36, q, c] of images: t d t^T of the tiles d every 4 from
/// `origin`; zero outside.
Value gatherTiles(LoweringContext &context, Operation *op, const Transform &t, ArrayRef<int64_t> grid,
                  ArrayRef<int64_t> origin) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  Value images = context.operands[0];
  ArrayRef<int64_t> size = tensorType(images).getShape(), shape = type.getShape();
  // t d, at [n, p, q, row, column of d, c].
  auto columns = type.clone({shape[0], shape[1], shape[3], 6, t.columns, shape[4]});
  Value half = buildRows(
      context, op->getLoc(), columns, t, {1, 1, 1, 6, 1, 1}, [](IndexBuilder &at) { return at.dim(3); },
      [&](IndexBuilder &at, int i) {
        const bool rows = shape[1] > 1; // a panel is a row
        Value row = rows ? at.dim(1) : at.div(at.dim(2), grid[1]);
        Value column = rows ? at.dim(2) : at.rem(at.dim(2), grid[1]);
        Value positions[2] = {at.add(at.mul(row, 4), origin[0] + i),
                              at.builder.create<arith::AddIOp>(at.loc, at.add(at.mul(column, 4), origin[1]),
                                                               at.dim(4))};
        Value inside;
        for (int d = 0; d < 2; ++d) {
          int64_t low = origin[d] + (d ? 0 : i), high = low + 4 * (grid[d] - 1) + (d ? t.columns - 1 : 0);
          if (low >= 0 && high < size[1 + d])
            continue;
          inside = at.both(inside, at.inRange(positions[d], 0, size[1 + d]));
          positions[d] = at.clamp(positions[d], 0, size[1 + d]);
        }
        Value element = at.load(images, {at.dim(0), positions[0], positions[1], at.dim(5)});
        if (!inside)
          return element;
        // A product: of a selection LLVM makes branches that are hard to predict
        // (the seed CNN's second input gradient: 597 us). The element that 0 is
        // multiplied with is one of this tile's own.
        Value one = at.number(type.getElementType(), 1), none = at.number(type.getElementType(), 0);
        return Value(at.builder.create<arith::MulFOp>(at.loc, element, at.select(inside, one, none)));
      });
  Value tiles = buildRows(
      context, op->getLoc(), type, t, {1, 1, 36, 1, 1}, [](IndexBuilder &at) { return at.rem(at.dim(2), 6); },
      [&](IndexBuilder &at, int j) {
        return at.load(half, {at.dim(0), at.dim(1), at.dim(3), at.div(at.dim(2), 6), at.constant(j), at.dim(4)});
      });
  setAtOnce(tiles, 2);
  return tiles;
}
} // namespace

FM_LOWER(WinogradInputOp) {
  return {gatherTiles(context, *this, inputTransform, getGrid(), getOrigin())};
}
FM_LOWER(WinogradOutputGradOp) {
  return {gatherTiles(context, *this, outputGradTransform, getGrid(), {0, 0})};
}

FM_LOWER(WinogradKernelOp) {
  auto type = cast<RankedTensorType>(getType());
  Value kernel = context.operands[0];
  const Transform &t = getFlip() ? flippedKernelTransform : kernelTransform;
  Value half = buildRows(
      context, getLoc(), type.clone({type.getDimSize(1), 6, 3, type.getDimSize(2)}), t, {1, 6, 1, 1},
      [](IndexBuilder &at) { return at.dim(1); },
      [&](IndexBuilder &at, int i) {
        return at.load(kernel, {at.constant(i), at.dim(2), at.dim(0), at.dim(3)});
      });
  Value points = buildRows(
      context, getLoc(), type, t, {36, 1, 1}, [](IndexBuilder &at) { return at.rem(at.dim(0), 6); },
      [&](IndexBuilder &at, int j) {
        return at.load(half, {at.dim(1), at.div(at.dim(0), 6), at.constant(j), at.dim(2)});
      });
  setAtOnce(points, 0);
  return {points};
}

FM_LOWER(WinogradKernelGradOp) {
  auto type = cast<RankedTensorType>(getType());
  Value points = context.operands[0];
  setAtOnce(points, 0);
  Value half = buildRows(
      context, getLoc(), type.clone({3, 6, type.getDimSize(2), type.getDimSize(3)}), kernelGradTransform,
      {3, 1, 1, 1}, [](IndexBuilder &at) { return at.dim(0); },
      [&](IndexBuilder &at, int i) {
        return at.load(points, {at.add(at.dim(1), 6 * i), at.dim(2), at.dim(3)});
      });
  return {buildRows(
      context, getLoc(), type, kernelGradTransform, {3, 3, 1, 1}, [](IndexBuilder &at) { return at.dim(1); },
      [&](IndexBuilder &at, int j) {
        return at.load(half, {at.dim(0), at.constant(j), at.dim(2), at.dim(3)});
      })};
}

FM_LOWER(WinogradOutputOp) {
  auto type = cast<RankedTensorType>(getType());
  Value points = context.operands[0];
  setAtOnce(points, 2);
  const bool rows = tensorType(points).getDimSize(1) > 1; // a panel is a row
  ArrayRef<int64_t> grid = getGrid();
  // [n, tile's row and column, row, column of the points, c].
  Value half = buildRows(
      context, getLoc(), type.clone({type.getDimSize(0), grid[0], grid[1], 4, 6, type.getDimSize(3)}), outputTransform,
      {1, 1, 1, 4, 1, 1}, [](IndexBuilder &at) { return at.dim(3); },
      [&](IndexBuilder &at, int i) {
        Value p = rows ? at.dim(1) : at.constant(0), q = at.dim(2);
        if (!rows)
          q = at.builder.create<arith::AddIOp>(at.loc, at.mul(at.dim(1), grid[1]), at.dim(2));
        return at.load(points, {at.dim(0), p, at.add(at.dim(4), 6 * i), q, at.dim(5)});
      });
  return {buildRows(
      context, getLoc(), type, outputTransform, {1, 4, 4, 1}, [](IndexBuilder &at) { return at.rem(at.dim(2), 4); },
      [&](IndexBuilder &at, int j) {
        return at.load(half, {at.dim(0), at.div(at.dim(1), 4), at.div(at.dim(2), 4), at.rem(at.dim(1), 4),
                              at.constant(j), at.dim(3)});
      })};
}

} // namespace fm::ir
