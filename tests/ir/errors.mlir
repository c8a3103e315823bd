// RUN: fmc-opt %s --split-input-file -verify-diagnostics

// expected-error @below {{batch must be at least 1, is 0}}
fm.model @none batch 0 {
}

// -----

func.func @outside(%x: tensor<f32>) {
  // expected-error @below {{expects parent op 'fm.model'}}
  fm.loss "loss", %x : tensor<f32>
  return
}

// -----

// A type that does not follow from the operands.
func.func @inferred(%x: tensor<?x3xf32>, %b: tensor<3xf32>) -> tensor<3xf32> {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{inferred type(s) 'tensor<?x3xf32>' are incompatible with return type(s) of operation 'tensor<3xf32>'}}
  %0 = "fm.add"(%x, %b) : (tensor<?x3xf32>, tensor<3xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

func.func @einsum_once(%a: tensor<2x3xf32>, %b: tensor<3xf32>) -> tensor<f32> {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{einsum: 'i' occurs once only}}
  %0 = fm.einsum "ij,j->" %a, %b : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<f32>
  return %0 : tensor<f32>
}

// -----

func.func @einsum_sizes(%a: tensor<2x3xf32>, %b: tensor<4x5xf32>) -> tensor<2x5xf32> {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{einsum: 'j' is both 3 and 4}}
  %0 = fm.einsum "ij,jk->ik" %a, %b : (tensor<2x3xf32>, tensor<4x5xf32>) -> tensor<2x5xf32>
  return %0 : tensor<2x5xf32>
}

// -----

func.func @einsum_rank(%a: tensor<2x3xf32>, %b: tensor<3xf32>) -> tensor<2xf32> {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{einsum: 'jk' for f32[3]}}
  %0 = fm.einsum "ij,jk->i" %a, %b : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2xf32>
  return %0 : tensor<2xf32>
}

// -----

func.func @einsum_result(%a: tensor<2x3xf32>, %b: tensor<3xf32>) -> tensor<2xf32> {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{einsum: 'z' is in no operand}}
  %0 = fm.einsum "ij,j->z" %a, %b : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2xf32>
  return %0 : tensor<2xf32>
}

// -----

func.func @embed(%x: tensor<3xf32>) -> tensor<4xf32> {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{embed: position 5 is outside size 4}}
  %0 = fm.embed %x {axis = 0 : i64, begin = 1 : i64, step = 2 : i64, size = 4 : i64} : (tensor<3xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

func.func @kernel_arguments(%n: index, %x: tensor<4xf32>) {
  // expected-error @below {{body has 1 arguments for n and 1 inputs}}
  fm.kernel n(%n) reads(%x) : (tensor<4xf32>) -> () {
  ^bb0(%m: index):
    fm.yield
  }
  return
}

// -----

func.func @kernel_samples(%n: index, %x: tensor<4xf32>) {
  // expected-error @below {{first body argument must be the sample count}}
  fm.kernel n(%n) reads(%x) : (tensor<4xf32>) -> () {
  ^bb0(%m: i64, %a: tensor<4xf32>):
    fm.yield
  }
  return
}

// -----

func.func @kernel_type(%n: index, %x: tensor<4xf32>) {
  // expected-error @below {{body argument of type 'tensor<5xf32>' for an input of type 'tensor<4xf32>'}}
  fm.kernel n(%n) reads(%x) : (tensor<4xf32>) -> () {
  ^bb0(%m: index, %a: tensor<5xf32>):
    fm.yield
  }
  return
}

// -----

func.func @kernel_yield(%n: index, %x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @below {{must yield one value of each result's type}}
  %0 = fm.kernel n(%n) reads(%x) : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%m: index, %a: tensor<4xf32>):
    fm.yield
  }
  return %0 : tensor<4xf32>
}

// -----

func.func @kernel_inplace(%n: index, %x: tensor<5xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @below {{result 0 cannot overwrite input 0}}
  %0 = fm.kernel n(%n) reads(%x, %y) {inplace = array<i64: 0>} : (tensor<5xf32>, tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%m: index, %a: tensor<5xf32>, %b: tensor<4xf32>):
    fm.yield %b : tensor<4xf32>
  }
  return %0 : tensor<4xf32>
}
