"""What do L1, L2, elastic net, dropout and early stopping do to one network? Ten measurements of 442 patients.

Run it with `python docs/examples/what_regularization_does.py`; it leaves the folder `lesson`, which holds its study.
"""

from sklearn.datasets import load_diabetes

import regsweep

X, y = load_diabetes(return_X_y=True, as_frame=True)

result = regsweep.sweep(
    None,  # an MLP of two hidden layers of 64 units
    X,
    y,
    name="lesson",
    trials=132,  # all combinations: without a penalty or with 3 kinds of 7 strengths, times 3 rates, times 2 patiences
    epochs=150,
    space={
        "regularizer": ["none", "l1", "l2", "elastic_net"],
        "lambda": [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0],
        "l1_ratio": 0.5,
        "dropout": [0.0, 0.3, 0.6],
        "patience": [None, 10],
    },
    study={"sampler": {"name": "grid"}, "reproducible": True},
    compare=False,
    folder="lesson",
)

shown = {
    "none": ("none", None, 0.0, None),
    "L1, λ 0.003": ("l1", 0.003, 0.0, None),
    "L1, λ 0.03": ("l1", 0.03, 0.0, None),
    "L2, λ 0.1": ("l2", 0.1, 0.0, None),
    "elastic net, λ 0.01": ("elastic_net", 0.01, 0.0, None),
    "dropout 0.3": ("none", None, 0.3, None),
    "early stopping, 10 epochs": ("none", None, 0.0, 10),
    "dropout 0.3 with L1, λ 0.003": ("l1", 0.003, 0.3, None),
}
trials = {
    tuple(trial.params[name] for name in ("regularizer", "lambda", "dropout", "patience")): trial
    for trial in result.trials()
}

print(f"{'':28}  train   val     gap     zeros   L2 norm   epochs   val with penalty")
for label, params in shown.items():
    trial = trials[params]
    metrics, zeros, norm = trial.metrics, trial.weights["zero_share"], trial.weights["l2_norm"]
    losses = "   ".join(f"{metrics[name]:.3f}" for name in ("train_loss", "val_loss", "gap"))
    penalized = metrics["val_penalized_loss"]  # what Keras calls val_loss
    print(f"{label:28}  {losses}   {zeros:>4.0%}   {norm:>6.1f}    {trial.epochs:>4}     {penalized:.3f}")
