//===- FmWinogradOps.td - Transforms of fast 3x3 convolutions --------------===//
//
// F(4x4, 3x3) of Winograd (Lavin and Gray, "Fast algorithms for convolutional
// neural networks", CVPR 2016): y = A^T [(G g G^T) * (B^T d B)] A for a tile of
// 4x4 outputs, 6x6 inputs d and a kernel g. The product is a matrix product over
// channels for each of the 36 points, an einsum. The pass fm-winograd makes
// these ops after differentiation; the matrices are in Winograd.cpp.
//
// A tensor of tiles is [n, p, 36, q, c], a panel of tiles together per point: a
// panel is a row of the grid (p rows), or all of it (p = 1).
//
//===----------------------------------------------------------------------===//
#ifndef FM_WINOGRAD_OPS_TD
#define FM_WINOGRAD_OPS_TD

include "compiler/ir/FmTensorOps.td"

class Fm_WinogradOp<string mnemonic, dag arguments_>
    : Fm_Op<mnemonic, [Pure, Lowering, NonDifferentiableOpInterface]> {
  let arguments = arguments_;
  let results = (outs Fm_FloatTensor:$y);
  let assemblyFormat = Typed;
  let extraClassDeclaration = Fm_NoGradient<"it is made from gradients only">.declaration;
}
def Fm_WinogradInputOp : Fm_WinogradOp<"winograd_input",
    (ins Fm_FloatTensor:$x, DenseI64ArrayAttr:$grid, DenseI64ArrayAttr:$origin)> {
  let summary = "B^T d B of each 6x6 tile d of x [n,h,w,c], every 4 from `origin`; zeros around x";
}
def Fm_WinogradOutputGradOp : Fm_WinogradOp<"winograd_output_grad",
    (ins Fm_FloatTensor:$dy, DenseI64ArrayAttr:$grid)> {
  let summary = "A d A^T of each 4x4 tile d of dy [n,h,w,c]; zeros behind dy";
}
def Fm_WinogradKernelOp : Fm_WinogradOp<"winograd_kernel",
    (ins Fm_FloatTensor:$w, BoolAttr:$flip)> {
  let summary = "G g G^T [36,c,o] of a kernel [3,3,c,o], turned by 180 degrees where `flip`";
}
def Fm_WinogradKernelGradOp : Fm_WinogradOp<"winograd_kernel_grad",
    (ins Fm_FloatTensor:$m)> {
  let summary = "G^T m G [3,3,c,o] of m [36,c,o]";
}
def Fm_WinogradOutputOp : Fm_WinogradOp<"winograd_output",
    (ins Fm_FloatTensor:$m, DenseI64ArrayAttr:$grid)> {
  let summary = "A^T m A of each tile's points m: images [n,h,w,c], cut off behind h and w";
}

#endif // FM_WINOGRAD_OPS_TD
