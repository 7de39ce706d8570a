# %% [markdown]
# # Which layer hears the emotion?
#
# From a store to a confusion matrix, with pandas, scikit-learn, xarray and matplotlib. Run
# `tokser demo` first, or set `TOKSER_STORE` to a store of your own with several speech layers.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay, recall_score
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import tokser
from tokser.functionals.arrays import data_array, design_matrix

store = tokser.open_store(os.environ.get("TOKSER_STORE", "demo/stores/emodb.zarr"))
store

# %% [markdown]
# ## The corpus
# Ten speakers say the same sentences in every emotion, so a text encoder has nothing to go by.

# %%
store.utterances.pivot_table(index="speaker", columns="label", aggfunc="size", fill_value=0)

# %% [markdown]
# ## Frames
# A feature is a ragged array: `[frames, dim]` for each utterance, read without a copy.

# %%
speech = [name for name in store.pooled if "/layer-" in name]
encoder = max(
    {name.partition("/")[0] for name in speech}, key=lambda e: sum(e in n for n in speech)
)
layers = [name for name in speech if name.startswith(f"{encoder}/")]
first = store[layers[-1]][store.ids[0]]
print(store.ids[0], first.shape, first.dtype)

# %% [markdown]
# ## Every layer, on unheard speakers
# `cross_val_predict` with the speakers as groups: nobody who is tested was heard in training.


# %%
def unheard(feature: str) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and predictions of logistic regression, one speaker left out in turn."""
    X, y, groups, _ = design_matrix(store, feature)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return y, cross_val_predict(model, X, y, groups=groups, cv=LeaveOneGroupOut())


predicted = {feature: unheard(feature) for feature in layers}
uar = pd.Series(
    {name: recall_score(*pair, average="macro") for name, pair in predicted.items()}, name="UAR"
)
uar.mul(100).round(1)

# %%
figure, axes = plt.subplots(figsize=(5, 3), layout="constrained")
axes.plot(range(len(layers)), 100 * uar.to_numpy(), marker="o")
axes.set_xticks(range(len(layers)), [name.partition("/")[2] for name in layers], rotation=45)
axes.set_ylabel("UAR [%]")
axes.set_title(f"{encoder}, leave one speaker out")

# %% [markdown]
# The highest of these is the best of several **on test**, which flatters it. `tokser classify`
# lets dev choose the layer in each fold: the row `best(...)`.

# %%
labels = sorted(store.utterances["label"].unique())
ConfusionMatrixDisplay.from_predictions(
    *predicted[uar.idxmax()],
    labels=labels,
    normalize="true",
    xticks_rotation=45,
    values_format=".1f",
)

# %% [markdown]
# ## All layers at once
# An xarray knows its axes: how far do the emotions lie apart, compared with the speakers?

# %%
array = data_array(store, f"{encoder}/layer-*")
means = array.sel(functional="mean")


def spread(by: str) -> pd.Series:
    """Return the variance between groups over the whole variance, by layer."""
    between = means.groupby(by).mean().var(by).mean("dim")
    return (between / means.var("utterance").mean("dim")).to_pandas()


pd.DataFrame({"emotions": spread("label"), "speakers": spread("speaker")}).round(3)
