"""Each head by torch's own modules, an utterance at a time; one model alone in training."""

import numpy as np
import torch
from sklearn.metrics import recall_score
from torch import nn

from tokser.experiments.heads.frames.training import sample_order


class Attentive(nn.Module):
    def __init__(self, dim, options):
        super().__init__()
        self.attention = nn.Linear(dim, 64)
        self.score = nn.Linear(64, options.attention_heads, bias=False)

    def forward(self, rows):
        weights = self.score(torch.tanh(self.attention(rows))).softmax(dim=0)
        means, deviations = [], []
        for own in weights.T:
            mean = (own[:, None] * rows).sum(dim=0)
            variance = (own[:, None] * rows**2).sum(dim=0) - mean**2
            means.append(mean)
            deviations.append(variance.clamp(min=1e-5).sqrt())
        return torch.cat(means + deviations)


class Superb(nn.Module):
    def __init__(self, dim, options):
        super().__init__()
        self.projection = nn.Linear(dim, 256)

    def forward(self, rows):
        return self.projection(rows).mean(dim=0)


class EmoBox(nn.Module):
    def __init__(self, dim, options):
        super().__init__()
        self.frames = nn.Linear(dim, 256)

    def forward(self, rows):
        return torch.relu(self.frames(rows)).mean(dim=0)


class Transformer(nn.Module):
    def __init__(self, dim, options):
        super().__init__()
        self.input = nn.Linear(dim, 128)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                128, options.attention_heads, 256, dropout=0.0, batch_first=True, norm_first=True
            )
            for _ in range(options.blocks)
        )
        self.norm = nn.LayerNorm(128)
        self.query = nn.Linear(128, 1, bias=False)

    def forward(self, rows):
        hidden = self.input(rows)[None]
        for block in self.blocks:
            hidden = block(hidden)
        normed = self.norm(hidden[0])
        weights = (self.query(normed) / 128**0.5).softmax(dim=0)
        return (weights * normed).sum(dim=0)


class CrossAttention(nn.Module):
    """Frames [frames, speech] and tokens [tokens, text] to one vector."""

    def __init__(self, dims, options):
        super().__init__()
        wide = 64 * options.attention_heads
        self.query = nn.Linear(dims[1], wide)
        self.key = nn.Linear(dims[0], wide, bias=False)
        self.heads = options.attention_heads

    def forward(self, frames, tokens):
        means, deviations = [], []
        queries = self.query(tokens).chunk(self.heads, dim=-1)
        keys = self.key(frames).chunk(self.heads, dim=-1)
        for query, key in zip(queries, keys, strict=True):
            attended = nn.functional.scaled_dot_product_attention(query, key, frames)
            squares = nn.functional.scaled_dot_product_attention(query, key, frames**2)
            means.append(attended.mean(dim=0))
            variance = squares.mean(dim=0) - means[-1] ** 2
            deviations.append(variance.clamp(min=1e-5).sqrt())
        spread = tokens.var(dim=0, correction=0).clamp(min=1e-5).sqrt()
        return torch.cat([*means, *deviations, tokens.mean(dim=0), spread])


PLAIN = {"attentive": Attentive, "superb": Superb, "emobox": EmoBox, "transformer": Transformer}
_OTHER_NAMES = {
    "qkv.weight": "self_attn.in_proj_weight",
    "qkv.bias": "self_attn.in_proj_bias",
    "attended": "self_attn.out_proj",
    "wide": "linear1",
    "narrow": "linear2",
    "norm-1": "norm1",
    "norm-2": "norm2",
    "gain": "weight",
    "shift": "bias",
    "block-": "blocks.",
}


class PlainHead(nn.Module):
    """Mix, pooling and last layer; frames of one utterance are [layers, frames, dim], by term."""

    def __init__(self, name, model, parameters, scaling=None):
        super().__init__()
        self.shared = None
        if name == "cross-attention":
            self.shared = CrossAttention([t.dim for t in model.terms], model.options)
            self.poolings = [None] * len(model.terms)
        else:
            self.poolings = nn.ModuleList(PLAIN[name](t.dim, model.options) for t in model.terms)
        self.mixes = nn.ParameterList(torch.zeros(t.num_layers) for t in model.terms)
        self.output = nn.Linear(model.width, model.num_outputs)
        self.scaling, self.options = scaling, model.options
        self.places = {key: self._parameter(key) for key in parameters}
        for key, values in parameters.items():
            self.places[key].data = _turned(key, values[0])

    def _parameter(self, key):
        if key.endswith(".mix"):
            return self.mixes[int(key.removeprefix("term-").partition(".")[0])]
        if key.startswith("output"):
            return getattr(self.output, key.partition(".")[2])
        term, _, name = key.partition(".")
        if term == "terms":
            return dict(self.shared.named_parameters())[name]
        for ours, theirs in _OTHER_NAMES.items():
            name = name.replace(ours, theirs)
        named = dict(self.poolings[int(term.removeprefix("term-"))].named_parameters())
        return named[name] if name in named else named[f"{name}.weight"]

    def forward(self, utterances):
        outputs = []
        for terms in utterances:
            pooled = []
            for pooling, mix, rows in zip(self.poolings, self.mixes, terms, strict=True):
                if self.options.layer_norm and len(rows) > 1:
                    rows = nn.functional.layer_norm(rows, rows.shape[-1:])
                mixed = (mix.softmax(dim=0)[:, None, None] * rows).sum(dim=0)
                pooled.append(mixed if self.shared else pooling(mixed))
            vector = self.shared(*pooled) if self.shared else torch.cat(pooled)
            if self.scaling is not None:
                vector = (vector - self.scaling.centre[0, 0]) * self.scaling.inverse[0, 0]
            outputs.append(self.output(vector))
        return torch.stack(outputs)


def _turned(key, values):
    """Lay parameters of one model out as torch's modules have them."""
    if key.rpartition(".")[2] in ("weight", "score", "query"):
        return values.T.clone()
    return values.reshape(-1).clone()


def utterances_of(fold, ids):
    """Standardised frames, an utterance and term at a time."""
    return [[batch.rows.clone() for batch in fold.read([name])] for name in ids]


def train_alone(plain, fold, rate, grid, *, batch_size, smoothing=0.0, weight_decay=0.0):
    """Train one model by Adam and ReduceLROnPlateau; parameters are those of the best epoch."""
    adam = torch.optim.AdamW(plain.parameters(), lr=rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        adam, mode="max", factor=grid.plateau_factor, patience=grid.plateau_patience
    )
    loss = nn.CrossEntropyLoss(label_smoothing=smoothing)
    train, dev = (utterances_of(fold, part.ids) for part in (fold.train, fold.dev))
    best, best_epoch, parameters = -np.inf, 0, {}
    for epoch in range(1, grid.epochs + 1):
        order = sample_order(fold.number, epoch, len(train))
        for first in range(0, len(order), batch_size):
            chosen = order[first : first + batch_size]
            adam.zero_grad()
            loss(plain([train[i] for i in chosen]), fold.train.target[chosen]).backward()
            adam.step()
        with torch.no_grad():
            guess = plain(dev).argmax(dim=1).numpy()
        known = fold.dev.target.numpy()
        uar = recall_score(known, guess, average="macro", labels=np.unique(known))
        schedule.step(uar)
        if uar > best:
            best, best_epoch = uar, epoch
            parameters = {k: p.detach().clone() for k, p in plain.places.items()}
    return best, best_epoch, parameters


def assert_alike(parameters, expected, tolerance=1e-7):
    """Each parameter within `tolerance` of the plain one, relative to its norm."""
    for name, values in parameters.items():
        own = _turned(name, values[0])
        difference = float((own - expected[name]).norm() / max(expected[name].norm(), 1e-3))
        assert difference <= tolerance, (name, difference)


def assert_within_bf16(found, expected, parameters):
    """What bf16 products give is float32, and as near to the plain form as rounding allows."""
    assert found.dtype == torch.float32
    assert 0 < (found - expected).abs().max() < 0.05
    towards = torch.randn(expected.shape)
    gradients = (
        torch.autograd.grad((own * towards).sum(), parameters) for own in (found, expected)
    )
    for own, right in zip(*gradients, strict=True):
        assert own.dtype == torch.float32
        assert (own - right).norm() < 0.02 * right.norm()
