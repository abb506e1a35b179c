"""Every difference that is known: which functions, in what, for which calls, and why. docs/differences.md says the same to users.

An entry is (functions, kinds, when or None for all calls, reason); `when` is asked about a call. Functions and kinds are words, with * for any
text and ? for a space.
"""

from fnmatch import fnmatchcase

import numpy as np


def fits(text, words):
    """Whether one of the words says this text."""
    return any(fnmatchcase(text, word) for word in words.split())


def covers(entry, call, kind):
    """Whether an entry speaks of this difference."""
    names, kinds, when, _ = entry
    return fits(call.name, names) and fits(kind, kinds) and (when is None or when(call))


def arrays(call):
    """All arrays among the arguments."""
    found, rest = [], [*call.args, *call.kwargs.values()]
    while rest:
        value = rest.pop(0)
        found += [value] if isinstance(value, np.ndarray) else []
        rest += value if isinstance(value, (tuple, list)) else []
    return found


def empty(call):
    return any(x.size == 0 for x in arrays(call))


def special(call):
    """Infinities, NaN, or numbers whose squares are out of range."""
    return any(x.dtype.kind == "f" and not np.all(np.abs(x, dtype=np.float64) < 1e18) for x in arrays(call))


def scalar(call):
    return any(x.ndim == 0 for x in arrays(call))


def zeros_only(call):
    return any(not np.any(x) for x in arrays(call)[1:2])


def zeros(call):
    return any(not np.all(x) for x in arrays(call))


def of(*dtypes):
    """Whether an argument has one of these dtypes."""
    return lambda call: any(x.dtype.name in dtypes for x in arrays(call))


def ties(call):
    return any(np.unique(x).size < x.size for x in arrays(call))


def nan(call):
    return any(x.dtype.kind == "f" and np.isnan(x).any() for x in arrays(call))


def not_positive(call):
    """Whether a power is not that of a positive number, or out of range."""
    return special(call) or any(not np.all(np.greater(x, 0)) for x in (*arrays(call), *call.args))


def small(call):
    """Whether there are numbers by which others are divided to become large, and then cancel."""
    return any(np.abs(x).min(initial=1.0) < 0.05 for x in arrays(call) if x.dtype.kind == "f")


def hardly_varying(call):
    """Whether a feature has so small a weight that its variance is near what is added to it."""
    return np.abs(call.state["linear.weight"]).max(1).min() < 0.05


def padded(call):
    """Whether a layer pads: then all of a channel may be the bias."""
    return bool(np.any(call.kwargs.get("padding", 0)))


def of_ones(call):
    """Whether an axis of the first tensor has length 1."""
    return 1 in call.args[0].shape


def several_axes(call):
    return isinstance(call.kwargs.get("axis"), (tuple, list))


def unmoved(call):
    """Whether a roll, or a part of it, moves nothing."""
    shift = call.args[1]
    return not all(shift) if isinstance(shift, tuple) else not shift


def beyond(call):
    """Whether the diagonal lies outside of the matrix."""
    x, k = call.args
    return x.ndim == 2 and not -x.shape[0] < k < x.shape[1]


whole = of("int32", "uint8", "int8", "bool")


def negative_axis(call):
    """Whether an axis is counted from the end."""
    return call.kwargs.get("axis", 0) < 0


def to_one(call):
    """Whether a side may become 1, with corners aligned."""
    return bool(call.kwargs.get("align_corners"))


LISTED = [
    # everywhere
    ("*", "MegEngine?dies", None, "MegEngine ends the process"),
    ("*", "rank?of?a?scalar", None, "results of scalars keep rank 0"),
    ("*", "MegEngine?raises numod?raises gradient", empty, "empty arrays are like all others, and broadcast as in NumPy"),
    ("*", "MegEngine?raises", whole, "integers are computed as float32 where MegEngine refuses them"),
    ("*", "MegEngine?raises", of("float64"), "a float64 array is taken"),
    # elementwise
    ("*.abs *.__abs__", "gradient", lambda call: zeros(call) or nan(call), "the gradient of abs is 0 at 0"),
    ("*.atan", "result numod?raises", of("float16", "bool"), "atan keeps float16, and refuses bools as all of its kind do"),
    ("*.sin *.cos *.tan", "MegEngine?raises gradient", special, "sin and cos of infinity are NaN"),
    (
        "*.maximum *.minimum *.relu *.relu6 *.clip *.hsigmoid *.expm1 *.leaky_relu *.prelu *.hswish *.sign",
        "result gradient",
        nan,
        "NaN stays NaN",
    ),
    ("*.exp *.sigmoid", "result gradient", special, "exp of what is too large is infinity, and sigmoid of NaN is NaN"),
    ("*.hswish", "result gradient", special, "hswish of -inf is 0"),
    ("*.logaddexp", "result gradient", special, "logaddexp of two equal infinities is that infinity"),
    ("*.mod *.__mod__ *.__rmod__", "gradient", None, "mod has a gradient for its divisor"),
    ("*.pow *.__pow__ *.__rpow__", "gradient", not_positive, "the gradient of pow for the exponent is 0 where the base is 0 or below"),
    ("*.where", "gradient", None, "the gradient has the shape of what was broadcast"),
    # reductions
    ("*.max *.min", "result gradient", special, "the smallest of infinities is infinity"),
    (":Tensor.var", "MegEngine?raises", None, "Tensor.var takes an axis"),
    ("*.max *.min", "gradient", ties, "elements that tie share the gradient"),
    ("*.prod", "result", special, "products are accumulated in float64, and so overflow later"),
    ("*.prod", "gradient", lambda call: zeros(call) or special(call), "the gradient of prod is right where elements are 0"),
    ("*.var *.std *.norm *.normalize *.softmax *.logsoftmax *.logsumexp *.argmax *.argmin", "result gradient", special, "NaN stays NaN"),
    ("*.argmax *.argmin", "result", several_axes, "argmax over several axes finds the place among them"),
    ("*.argmax *.argmin", "result", of("bool"), "argmax of bools; MegEngine reads other memory"),
    ("*.argmax *.argmin", "MegEngine?raises", scalar, "a scalar has one largest element"),
    (
        "*.logsumexp",
        "result gradient MegEngine?raises",
        None,
        "logsumexp removes the axis that was reduced; MegEngine removes others of length 1",
    ),
    ("*.logsoftmax *.softmax", "result", whole, "bytes are computed as float32"),
    ("*.norm *.normalize", "gradient", zeros, "norm has gradient 0 at 0"),
    ("*.normalize", "gradient", small, "rounding: gradients of small numbers are differences of large ones"),
    # shapes
    ("*.arange", "result", None, "arange counts its steps in float64"),
    ("*.transpose", "MegEngine?raises", None, "an axis of length 1 can be left out in Tensor.transpose too"),
    ("*.transpose", "gradient", None, "a new axis of length 1 has a gradient"),
    ("*.squeeze", "MegEngine?raises", None, "without axes of length 1 nothing is squeezed"),
    ("*.tile", "MegEngine?raises result gradient", None, "one number repeats along the last axis, and scalars are repeated"),
    ("*.repeat", "MegEngine?raises", negative_axis, "axes are counted from the end as well"),
    ("*.roll", "gradient", unmoved, "a roll that moves nothing has a gradient"),
    ("*.pad", "numod?raises", None, "widths for axes that are not there are refused"),
    ("*.diag", "MegEngine?raises result gradient", beyond, "a diagonal beyond the corner is empty"),
    # places
    ("*.gather *.indexing_one_hot *.topk_accuracy", "numod?raises", None, "shapes that do not fit are refused"),
    ("*.sort *.argsort *.topk", "MegEngine?raises", None, "sort takes any number of axes"),
    ("*.sort *.argsort *.topk", "result gradient", ties, "equal elements keep their order"),
    ("*.cond_take", "numod?raises", scalar, "shapes that do not fit are refused"),
    ("*.svd", "result gradient", None, "the largest element of each column of U is positive"),
    ("*.scatter", "arguments?afterwards", None, "scatter leaves its input as it is"),
    (":Tensor.__getitem__", "numod?raises", None, "more indices than axes are refused, slices too"),
    (":Tensor.__setitem__ :Tensor.reset_zero", "arguments?afterwards", None, "what is set keeps its shape and dtype"),
    (":Tensor.__index__", "numod?raises", of("bool"), "bools are no indices"),
    ("*.meshgrid", "MegEngine?raises", of("float16"), "tensors of several dtypes are taken"),
    ("*.svd", "MegEngine?raises", of("float16"), "matrices of all float dtypes are taken"),
    (":Tensor.astype", "result", special, "floats beyond all integers wrap; what MegEngine makes of them depends on their place"),
    (":Tensor.astype :Tensor.__pos__", "gradient", None, "what is left as it is has a gradient"),
    # networks
    ("*.layer_norm *.instance_norm *.group_norm *.LayerNorm", "MegEngine?raises", None, "norms take any rank"),
    (
        "*norm *.conv* *.local_conv2d *.region* *.deformable* *.linear *.sliding_window",
        "numod?raises",
        None,
        "shapes that do not fit are refused",
    ),
    ("*.loss.*", "numod?raises", None, "shapes that do not fit are refused"),
    ("*.cross_entropy", "result gradient MegEngine?raises", of_ones, "as logsumexp"),
    ("*.cross_entropy", "result gradient", special, "NaN stays NaN"),
    ("*.general_norm", "result gradient", None, "MegEngine's variance loses digits where numbers are close to each other"),
    ("*norm", "MegEngine?raises", of("float16"), "norms promote what they are given"),
    ("*.sync_batch_norm", "MegEngine?raises arguments?afterwards", None, "running statistics keep their shape, which may have fewer axes"),
    ("*.deformable*", "MegEngine?raises", of("float16"), "dtypes are promoted as in all convolutions"),
    ("*.matmul *matmul__", "MegEngine?raises", None, "batches broadcast"),
    ("*.dropout *.Dropout *.QuantStub *.DequantStub", "gradient", None, "what is left as it is has a gradient"),
    (
        "*.multi_head_attention",
        "MegEngine?raises",
        None,
        "dtypes are promoted; MegEngine refuses them in this call, and often the call after it",
    ),
    ("*.multi_head_attention *.MultiHeadAttention", "gradient", None, "attention has gradients through its weights"),
    ("*.Conv1d *.MultiHeadAttention", "repr", None, "Conv1d and MultiHeadAttention have a repr"),
    ("module.Conv*Bn*", "result gradient", padded, "rounding: what is divided by the variance of a channel that varies by rounding only"),
    ("module.LinearBn1d", "gradient", hardly_varying, "rounding: what is divided by the variance of a channel that hardly varies"),
    ("*.RNNCell", "gradient", None, "the gradient has the shape of what was broadcast"),
    ("*.RNN *.LSTM *.LSTMCell", "gradient", None, "gradients of recurrent layers are right, and there for those with several directions"),
    # random numbers
    ("random.poisson", "result", of("float16"), "random numbers for float16 are float32"),
    # vision
    ("*.correlation", "gradient", None, "the gradient of correlation is that of its values"),
    ("*.cvt_color", "gradient MegEngine?raises", None, "cvt_color converts floats wherever it does bytes, and has gradients"),
    ("functional.vision.*", "numod?raises", None, "shapes that do not fit are refused"),
    ("functional.vision.*", "MegEngine?raises", of("float16"), "dtypes are promoted"),
    ("*.interpolate", "MegEngine?raises result gradient", to_one, "one row is the first with align_corners"),
    ("*.nms", "result", ties, "of boxes with equal scores the first is better"),
    ("*.warp_affine", "gradient", None, "warp_affine has gradients"),
    ("*.warp_perspective", "result gradient", zeros_only, "a matrix of zeros reads nowhere"),
    ("*.roi_align", "gradient", None, "the gradient of roi_align is that of its values; in MegEngine's there is other memory"),
]
