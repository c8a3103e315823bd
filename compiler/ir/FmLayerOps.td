//===- FmLayerOps.td - Layers, normalisation, losses, metrics, optimizers -===//
//
// What users call by name and what is composed of the primitives. A layer op
// holds the language's arguments as attributes and its parameters as operands,
// so that a recorded model can be written back as it was.
//
//===----------------------------------------------------------------------===//
#ifndef FM_LAYER_OPS_TD
#define FM_LAYER_OPS_TD

include "compiler/ir/FmAttributes.td"
include "compiler/ir/FmTensorOps.td"

class Fm_LayerOp<string mnemonic, string category, string signature, dag arguments_>
    : Fm_LangOp<mnemonic, category, signature,
                [Pure, Infer, Decompose, DeclareOpInterfaceMethods<LayerOpInterface>]> {
  let arguments = arguments_;
  let results = (outs Fm_FloatTensor:$y);
  let assemblyFormat = Typed;
}

//===----------------------------------------------------------------------===//
// Layers
//===----------------------------------------------------------------------===//

def Fm_DenseOp : Fm_LayerOp<"dense", "layer",
    "x: tensor, units: int, bias: bool = true, kernel_init: init = glorot_uniform, bias_init: init = zeros",
    (ins Fm_FloatTensor:$x, Variadic<Fm_FloatTensor>:$parameters, Fm_Int:$units, BoolAttr:$bias,
         Fm_InitAttr:$kernel_init, Fm_InitAttr:$bias_init)> {
  let summary = "x @ kernel + bias on the last dimension; kernel [in, units] (Keras' defaults)";
}
def Fm_Conv2dOp : Fm_LayerOp<"conv2d", "layer",
    "x: tensor, filters: int, kernel: pair, stride: pair = 1, padding: padding enum(valid|same) = valid, dilation: pair = 1, "
    "groups: int = 1, bias: bool = true, kernel_init: init = glorot_uniform, bias_init: init = zeros",
    (ins Fm_FloatTensor:$x, Variadic<Fm_FloatTensor>:$parameters, Fm_Int:$filters,
         DenseI64ArrayAttr:$kernel, DenseI64ArrayAttr:$stride, AnyAttr:$padding,
         DenseI64ArrayAttr:$dilation, Fm_Int:$groups, BoolAttr:$bias,
         Fm_InitAttr:$kernel_init, Fm_InitAttr:$bias_init)> {
  let summary = "2-D convolution of NHWC images; kernel [kh, kw, in / groups, filters] (Keras' defaults)";
}
def Fm_BatchNormOp : Fm_LayerOp<"batch_norm", "normalization",
    "x: tensor, momentum: float = 0.99, epsilon: float = 0.001",
    (ins Fm_FloatTensor:$x, Variadic<Fm_FloatTensor>:$parameters, F64Attr:$momentum, F64Attr:$epsilon)> {
  let summary = "normalisation over all but the last dimension; running statistics in inference (Keras' defaults, biased variance)";
}
def Fm_LayerNormOp : Fm_LayerOp<"layer_norm", "normalization",
    "x: tensor, epsilon: float = 1e-05",
    (ins Fm_FloatTensor:$x, Variadic<Fm_FloatTensor>:$parameters, F64Attr:$epsilon)> {
  let summary = "normalisation over the last dimension, with scale and shift (PyTorch's defaults)";
}

def Fm_DropoutOp : Fm_LangOp<"dropout", "regularization", "x: tensor, rate: float = 0.5",
                             [Pure, Infer, Decompose]> {
  let summary = "zeroes a share `rate` of the elements in training and scales the rest by 1 / (1 - rate)";
  let arguments = (ins Fm_FloatTensor:$x, F64Attr:$rate);
  let results = (outs Fm_FloatTensor:$y);
  let assemblyFormat = Typed;
}

//===----------------------------------------------------------------------===//
// Pooling
//===----------------------------------------------------------------------===//

class Fm_PoolOp<string mnemonic, string summary_>
    : Fm_LangOp<mnemonic, "pooling", "x: tensor, size: pair, stride: pair = size, padding: padding enum(valid|same) = valid",
                [Pure, Infer, Decompose]> {
  let summary = summary_;
  let arguments = (ins Fm_FloatTensor:$x, DenseI64ArrayAttr:$size, DenseI64ArrayAttr:$stride, AnyAttr:$padding);
  let results = (outs Fm_FloatTensor:$y);
  let assemblyFormat = Typed;
}
def Fm_MaxPool2dOp : Fm_PoolOp<"max_pool2d", "largest element of each window of NHWC images">;
def Fm_AvgPool2dOp : Fm_PoolOp<"avg_pool2d", "mean of each window of NHWC images; padding does not count (as in Keras)">;

class Fm_GlobalPoolOp<string mnemonic, string summary_>
    : Fm_LangOp<mnemonic, "pooling", "x: tensor", [Pure, Infer, Decompose]> {
  let summary = summary_;
  let arguments = (ins Fm_FloatTensor:$x);
  let results = (outs Fm_FloatTensor:$y);
  let assemblyFormat = Typed;
}
def Fm_GlobalMaxPool2dOp : Fm_GlobalPoolOp<"global_max_pool2d", "largest element of each channel: [n, h, w, c] to [n, c]">;
def Fm_GlobalAvgPool2dOp : Fm_GlobalPoolOp<"global_avg_pool2d", "mean of each channel: [n, h, w, c] to [n, c]">;

//===----------------------------------------------------------------------===//
// Normalisation and softmax
//===----------------------------------------------------------------------===//

def Fm_NormalizeOp : Fm_Op<"normalize", [Pure, Infer, Decompose, Adjoint]> {
  let summary = "(x - mean) / sqrt(var + epsilon) over axes; also mean and biased variance, with the axes kept";
  let arguments = (ins Fm_FloatTensor:$x, DenseI64ArrayAttr:$axis, F64Attr:$epsilon);
  let results = (outs Fm_FloatTensor:$y, Fm_FloatTensor:$mean, Fm_FloatTensor:$variance);
  let assemblyFormat = Typed;
}
class Fm_SoftmaxFamilyOp<string mnemonic, string summary_>
    : Fm_LangOp<mnemonic, "activation", "x: tensor, axis: int = -1", [Pure, Infer, Decompose, Adjoint]> {
  let summary = summary_;
  let arguments = (ins Fm_FloatTensor:$x, Fm_Int:$axis);
  let results = (outs Fm_FloatTensor:$y);
  let assemblyFormat = Typed;
}
def Fm_SoftmaxOp : Fm_SoftmaxFamilyOp<"softmax", "exp(x) / sum(exp(x)) along an axis">;
def Fm_LogSoftmaxOp : Fm_SoftmaxFamilyOp<"log_softmax", "x - log(sum(exp(x))) along an axis">;

//===----------------------------------------------------------------------===//
// Losses and metrics: scalars
//===----------------------------------------------------------------------===//

class Fm_LossOp<string mnemonic, string summary_, string signature, dag arguments_, list<Trait> traits = []>
    : Fm_LangOp<mnemonic, "loss", signature, !listconcat([Pure, Infer, Decompose, Adjoint], traits)> {
  let summary = summary_;
  let arguments = arguments_;
  let results = (outs Fm_FloatTensor:$y);
  let assemblyFormat = Typed;
}
def Fm_MseOp : Fm_LossOp<"mse", "mean of (prediction - target)^2 over all elements",
    "prediction: tensor, target: tensor", (ins Fm_FloatTensor:$prediction, Fm_FloatTensor:$target)>;
def Fm_CrossEntropyOp : Fm_LossOp<"cross_entropy",
    "mean of -log softmax(logits) at the label; labels are class indices, or one row of probabilities each",
    "logits: tensor, label: tensor", (ins Fm_FloatTensor:$logits, Fm_Tensor:$label)>;
def Fm_BinaryCrossEntropyOp : Fm_LossOp<"binary_cross_entropy",
    "mean of -(t log s(x) + (1 - t) log(1 - s(x))), s the sigmoid, from logits x",
    "logits: tensor, target: tensor", (ins Fm_FloatTensor:$logits, Fm_FloatTensor:$target)>;

class Fm_MetricOp<string mnemonic, string summary_, string signature, dag arguments_, string reason>
    : Fm_LangOp<mnemonic, "metric", signature, [Pure, Infer, Decompose, NonDifferentiableOpInterface]> {
  let summary = summary_;
  let arguments = arguments_;
  let results = (outs Fm_FloatTensor:$y);
  let assemblyFormat = Typed;
  let moreDeclarations = Fm_NoGradient<reason>.declaration
    # [{ static bool isGradientAnError() { return true; } }];
}
def Fm_AccuracyOp : Fm_MetricOp<"accuracy", "share of samples whose largest logit is the label",
    "logits: tensor, label: tensor", (ins Fm_FloatTensor:$logits, Fm_Tensor:$label),
    "accuracy is piecewise constant">;
def Fm_MeanErrorOp : Fm_MetricOp<"mean_error", "mean of |prediction - target| over all elements",
    "prediction: tensor, target: tensor", (ins Fm_FloatTensor:$prediction, Fm_FloatTensor:$target),
    "mean_error is a metric; train with mse">;

//===----------------------------------------------------------------------===//
// Optimizers
//===----------------------------------------------------------------------===//

class Fm_OptimizerOp<string mnemonic, string summary_, string signature, dag attributes>
    : Fm_LangOp<mnemonic, "optimizer", signature,
                [Pure, Decompose, DeclareOpInterfaceMethods<OptimizerOpInterface>,
                 NonDifferentiableOpInterface]> {
  let summary = summary_;
  let arguments = !con((ins Fm_FloatTensor:$parameter, Fm_FloatTensor:$gradient,
                            Variadic<Fm_FloatTensor>:$state, Fm_Scalar:$rate, Fm_Scalar:$step), attributes);
  let results = (outs Fm_FloatTensor:$updated, Variadic<Fm_FloatTensor>:$updated_state);
  let assemblyFormat = Typed;
  let moreDeclarations = Fm_NoGradient<"an update is not differentiated">.declaration
    # [{ static bool isGradientAnError() { return true; } }];
}
def Fm_SgdOp : Fm_OptimizerOp<"sgd",
    "g += weight_decay * p; m = momentum * m + g; p -= lr * (nesterov ? g + momentum * m : m) (PyTorch's form)",
    "lr: float = 0.01, momentum: float = 0.0, nesterov: bool = false, weight_decay: float = 0.0",
    (ins F64Attr:$lr, F64Attr:$momentum, BoolAttr:$nesterov, F64Attr:$weight_decay)>;
def Fm_AdamOp : Fm_OptimizerOp<"adam",
    "Kingma and Ba, arXiv:1412.6980; p -= lr * m^ / (sqrt(v^) + epsilon) with bias-corrected m^, v^ (PyTorch's form, Keras' defaults)",
    "lr: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-07",
    (ins F64Attr:$lr, F64Attr:$beta1, F64Attr:$beta2, F64Attr:$epsilon)>;

#endif // FM_LAYER_OPS_TD
