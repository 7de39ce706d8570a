"""A model as an ONNX graph: from pooled functionals to probabilities, operator by operator.

Standardisation and the heads of scikit-learn compute in float64, as they do in tokser; the networks
in float32.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from tokser.errors import SettingsError
from tokser.experiments.heads.gaussian_svm import coefficients_of_pairs
from tokser.experiments.heads.mlp.model import LAYER_NORM_EPSILON
from tokser.experiments.heads.trained_head import TrainedHead
from tokser.experiments.models import Member, Model

__all__ = ["OPSET", "input_names", "model_graph"]

OPSET, IR_VERSION = 17, 8
"""Read by every ONNX runtime since 2022."""
_UTTERANCES = "utterances"


@dataclass
class _Graph:
    """Nodes and constants of a graph under construction."""

    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add an operator; returns the name of its output."""
        name = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def constant(self, values: Any, dtype: type = np.float64) -> str:
        """Add a constant; returns its name."""
        name = f"constant_{len(self.constants)}"
        array: NDArray[Any] = np.ascontiguousarray(np.asarray(values, dtype=dtype))
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def cast(self, values: str, dtype: Any) -> str:
        return self.add("Cast", values, to=dtype)

    def linear(self, values: str, weights: NDArray[Any], bias: NDArray[Any], dtype: type) -> str:
        """Add `values @ weights + bias`; weights [wide, narrow]."""
        product = self.add("MatMul", values, self.constant(weights, dtype))
        return self.add("Add", product, self.constant(bias, dtype))


def input_names(model: Model) -> dict[str, str]:
    """Return the name of the graph's input for each term: letters, digits and underscores."""
    found: dict[str, str] = {}
    for term in model.terms:
        plain = "".join(sign if sign.isalnum() else "_" for sign in str(term))
        while plain in found.values():
            plain += "_"
        found[str(term)] = plain
    return found


def model_graph(model: Model, metadata: Mapping[str, str]) -> ModelProto:
    """Build the graph of a model.

    Its inputs are the functionals of each term, float32 [utterances, width]; its output is
    `probabilities`, float32 [utterances, classes], or the target, float32 [utterances].

    Raises:
        SettingsError: A head has no exact form in ONNX.
    """
    graph, inputs = _Graph(), input_names(model)
    outputs = [_member(graph, member, inputs) for member in model.members]
    weights = np.ones(len(outputs)) if model.how != "weighted" else np.asarray(model.weights)
    total = outputs[0]
    if len(outputs) > 1:
        shares = weights / weights.sum()
        scaled = [
            graph.add("Mul", one, graph.constant(share))
            for one, share in zip(outputs, shares, strict=True)
        ]
        total = graph.add("Sum", *scaled)
    if model.calibration is not None and not model.shown.raw:
        inverse = graph.constant(1 / model.calibration.temperature)
        logits = graph.add("Mul", graph.add("Log", total), inverse)
        total = graph.add("Softmax", logits, axis=1)
    name = "probabilities" if model.classes else model.target
    graph.nodes.append(helper.make_node("Cast", [total], [name], to=TensorProto.FLOAT))
    widths = {
        str(term): width
        for member in model.members
        for term, width in zip(member.features.terms, member.widths, strict=True)
    }
    shape: list[str | int | None] = [_UTTERANCES]
    if model.classes:
        shape.append(len(model.classes))
    value = helper.make_tensor_value_info
    made = helper.make_graph(
        graph.nodes,
        "tokser",
        [value(inputs[t], TensorProto.FLOAT, [_UTTERANCES, widths[t]]) for t in inputs],
        [value(name, TensorProto.FLOAT, shape)],
        graph.constants,
    )
    proto = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)])
    proto.ir_version, proto.producer_name = IR_VERSION, "tokser"
    helper.set_model_props(proto, dict(metadata))
    return proto


def _member(graph: _Graph, member: Member, inputs: Mapping[str, str]) -> str:
    """Add a member; returns its output in float64."""
    names = [inputs[str(term)] for term in member.features.terms]
    values = names[0] if len(names) == 1 else graph.add("Concat", *names, axis=1)
    scaling, head = member.fitted.scaling, member.fitted.head
    centred = graph.add("Sub", graph.cast(values, TensorProto.DOUBLE), graph.constant(scaling.mean))
    # A column that training leaves out has an infinite scale: multiplying by 0 is exact.
    scaled = graph.add("Mul", centred, graph.constant(1 / scaling.scale))
    build = _HEADS.get(head.kind)
    if build is None:
        raise SettingsError(
            "--format onnx",
            expected=f"a model whose heads are among {', '.join(_HEADS)}",
            got=head.kind,
            remedy="Fit a model with one of these heads.",
        )
    found = build(graph, graph.cast(scaled, TensorProto.FLOAT), head)
    scale = member.fitted.target_scale
    if scale is None:
        return found
    wide = graph.add("Mul", found, graph.constant(scale.scale))
    return graph.add("Add", wide, graph.constant(scale.mean))


def _mlp(graph: _Graph, values: str, head: TrainedHead) -> str:
    arrays = head.arrays()
    for number in range((len(arrays) - 2) // 4):
        block = {part: arrays[f"block-{number}-{part}"] for part in _PARTS}
        linear = graph.linear(values, block["weight"], block["bias"], np.float32)
        gain, shift = (graph.constant(block[part], np.float32) for part in ("gain", "shift"))
        normed = graph.add(
            "LayerNormalization", linear, gain, shift, axis=-1, epsilon=LAYER_NORM_EPSILON
        )
        values = graph.add("Relu", normed)
    logits = graph.linear(values, arrays["output-weight"], arrays["output-bias"], np.float32)
    if not head.num_outputs:
        wide = graph.cast(logits, TensorProto.DOUBLE)
        return graph.add("Squeeze", wide, graph.constant([1], np.int64))
    return graph.cast(graph.add("Softmax", logits, axis=-1), TensorProto.DOUBLE)


_PARTS = ("weight", "bias", "gain", "shift")


def _logistic(graph: _Graph, values: str, head: TrainedHead) -> str:
    arrays = head.arrays()
    wide = graph.cast(values, TensorProto.DOUBLE)
    weights, bias = arrays["coefficients"].T, arrays["intercepts"]
    logits = graph.linear(wide, weights, bias, np.float64)
    if len(bias) == 1:
        return _in_order(graph, _two_classes(graph, graph.add("Sigmoid", logits)), head)
    return _in_order(graph, graph.add("Softmax", logits, axis=-1), head)


def _ridge(graph: _Graph, values: str, head: TrainedHead) -> str:
    arrays = head.arrays()
    wide = graph.cast(values, TensorProto.DOUBLE)
    found = graph.linear(wide, arrays["coefficients"][:, None], arrays["intercept"], np.float64)
    return graph.add("Squeeze", found, graph.constant([1], np.int64))


def _sklearn_mlp(graph: _Graph, values: str, head: TrainedHead) -> str:
    arrays = head.arrays()
    depth = len(arrays) // 2
    is_double = arrays["weights-0"].dtype == np.float64
    dtype = np.float64 if is_double else np.float32
    values = graph.cast(values, TensorProto.DOUBLE) if is_double else values
    for number in range(depth):
        weights, bias = arrays[f"weights-{number}"], arrays[f"biases-{number}"]
        values = graph.linear(values, weights, bias, dtype)
        if number < depth - 1:
            values = graph.add("Relu", values)
    values = graph.cast(values, TensorProto.DOUBLE)
    if not head.num_outputs:
        return graph.add("Squeeze", values, graph.constant([1], np.int64))
    if len(arrays[f"biases-{depth - 1}"]) == 1:
        return _in_order(graph, _two_classes(graph, graph.add("Sigmoid", values)), head)
    return _in_order(graph, graph.add("Softmax", values, axis=-1), head)


def _svm(graph: _Graph, values: str, head: TrainedHead) -> str:
    """Add the Gaussian kernel, the decisions of pairs of classes, and their softmax by class."""
    arrays = head.arrays()
    vectors, gamma = arrays["support_vectors"], float(arrays["gamma"][0])
    wide = graph.cast(values, TensorProto.DOUBLE)
    # |x - v|^2 = |x|^2 - 2 x v + |v|^2, in float64
    axes = graph.constant([1], np.int64)
    own = graph.add("ReduceSum", graph.add("Mul", wide, wide), axes, keepdims=1)
    crossed = graph.linear(wide, -2 * vectors.T, (vectors**2).sum(axis=1), np.float64)
    distance = graph.add("Add", own, crossed)
    kernel = graph.add("Exp", graph.add("Mul", distance, graph.constant(-gamma)))
    coefficients, pairs = coefficients_of_pairs(arrays["num_support"], arrays["coefficients"])
    decided = graph.linear(kernel, coefficients, arrays["intercepts"], np.float64)
    if len(pairs) == 1:  # sklearn's sign of two classes: positive for the second
        half = graph.add("Mul", decided, graph.constant(0.5))
        scores = graph.add("Concat", half, graph.add("Neg", half), axis=1)
    else:
        scores = _by_class(graph, decided, pairs, len(arrays["num_support"]))
    return _in_order(graph, graph.add("Softmax", scores, axis=-1), head)


def _by_class(
    graph: _Graph, decided: str, pairs: Sequence[tuple[int, int]], num_classes: int
) -> str:
    """Add votes and confidences by class, as scikit-learn's one-versus-rest decisions have them.

    libsvm's decision of a pair is positive for its first class.
    """
    sides = np.zeros((len(pairs), num_classes))
    for number, (i, j) in enumerate(pairs):
        sides[number, i], sides[number, j] = 1, -1
    zero = graph.constant(0.0)
    second = graph.cast(graph.add("Less", decided, zero), TensorProto.DOUBLE)
    first_votes = graph.constant((sides > 0).sum(axis=0))
    swung = graph.add("MatMul", second, graph.constant(-sides))
    votes = graph.add("Add", swung, first_votes)
    confidence = graph.add("MatMul", decided, graph.constant(sides))
    size = graph.add("Add", graph.add("Abs", confidence), graph.constant(1.0))
    share = graph.add("Div", confidence, graph.add("Mul", size, graph.constant(3.0)))
    return graph.add("Add", votes, share)


def _two_classes(graph: _Graph, second: str) -> str:
    first = graph.add("Sub", graph.constant(1.0), second)
    return graph.add("Concat", first, second, axis=1)


def _in_order(graph: _Graph, found: str, head: TrainedHead) -> str:
    """Put probabilities in the order of all classes; one that training lacked gets 0."""
    described = head.description()
    classes, trained = described["classes"], described["trained_classes"]
    if classes == trained:
        return found
    places = np.zeros((len(trained), len(classes)))
    for number, name in enumerate(trained):
        places[number, classes.index(name)] = 1
    return graph.add("MatMul", found, graph.constant(places))


_HEADS: dict[str, Callable[[_Graph, str, TrainedHead], str]] = {
    "mlp": _mlp,
    "logreg": _logistic,
    "ridge": _ridge,
    "svm": _svm,
    "mlp-sklearn": _sklearn_mlp,
}
"""How each kind of head is written."""
