"""The names that people give to hyperparameters, and what each means here."""

from __future__ import annotations

import re
from typing import Any

#: What is searched here -> other names of it, in lower case with underscores. `l2/2` is no name that anybody writes:
#: `--map` takes it for a strength of ½·Σw², as PyTorch's weight_decay is.
SEARCHED: dict[str, str] = {
    "dropout": "drop dropout_rate drop_rate droprate drop_out dropout_prob dropout_probability dropout_p drop_prob "
    "p_dropout p_drop hidden_dropout dense_dropout fc_dropout dropout_dense dropout_fc dropout_hidden "
    "dropout_ratio drop_ratio do_rate",
    "regularizer": "regularizer_type regularization_type reg_type kernel_regularizer penalty penalty_type kernel_reg "
    "reg_kind reg_name regularizer_name weight_regularizer",
    "lambda": "lambda_ lmbda lambd lam reg regularization reg_strength regularization_strength reg_lambda "
    "regularization_lambda lambda_reg reg_param reg_coef reg_rate reg_factor reg_value reg_weight reg_lam "
    "regularizer_strength regularizer_rate regularizer_factor regularization_rate regularization_factor "
    "regularization_coef regularization_weight",
    "l1": "l1_reg l1_lambda lambda_l1 l1_penalty l1_strength l1_weight l1_coef l1_regularization reg_l1 kernel_l1 "
    "l1_rate lambda1",
    "l2": "l2_reg l2_lambda lambda_l2 l2_penalty l2_strength l2_weight l2_coef l2_regularization reg_l2 kernel_l2 "
    "l2_rate lambda2",
    "l2/2": "",
    "l1_ratio": "elastic_net_ratio l1_l2_ratio",
    "patience": "early_stopping_patience early_stop_patience earlystopping_patience es_patience early_stopping_rounds",
    "learning_rate": "lr init_lr initial_lr lr_init base_lr learning_rate_init initial_learning_rate optimizer_lr "
    "learn_rate learningrate optimizer_learning_rate",
    "batch_size": "batchsize bs batch train_batch_size minibatch_size mini_batch_size bsz b_size batch_sz",
}
#: What a study has one value of -> other names of it.
SINGLE: dict[str, str] = {
    "epochs": "epoch n_epochs num_epochs nb_epochs max_epochs max_epoch n_epoch num_epoch number_of_epochs "
    "train_epochs training_epochs",
    "hidden_units": "units n_units num_units hidden hidden_sizes hidden_dims hidden_size hidden_dim "
    "hidden_layer_size hidden_layer_sizes fc_layer_size layer_size layer_sizes n_hidden num_hidden "
    "neurons n_neurons num_neurons dense_units dense_size hidden_nodes hidden_neurons",
    "hidden_layers": "num_layers n_layers num_hidden_layers n_hidden_layers hidden_layers_count layers_count "
    "number_of_layers nb_layers",
    "activation": "act act_fn act_func activation_function activation_fn activation_func nonlinearity "
    "hidden_activation",
    "batch_norm": "use_batch_norm use_batchnorm batchnorm bn use_bn has_bn has_batch_norm with_bn apply_bn "
    "batch_normalization",
    "optimizer": "optim opt optimizer_name optimizer_type optimizer_class optimiser opt_name opt_type",
    "weight_decay": "wd decay_weight optimizer_weight_decay",
    "momentum": "sgd_momentum optimizer_momentum",
    "nesterov": "sgd_nesterov optimizer_nesterov",
    "beta_1": "beta1 b1 adam_beta1 adam_beta_1 optimizer_beta_1",
    "beta_2": "beta2 b2 adam_beta2 adam_beta_2 optimizer_beta_2",
    "epsilon": "eps adam_epsilon adam_eps",
    "rho": "rmsprop_rho",
    "schedule": "scheduler lr_scheduler lr_schedule learning_rate_schedule scheduler_type scheduler_name",
    "class_weights": "class_weight class_weighting",
    "seed": "random_seed random_state rng_seed",
    "folds": "n_folds num_folds k_folds kfolds k_fold n_splits cv_folds",
    "min_delta": "early_stopping_min_delta early_stopping_delta",
}
MEANINGS = (*SEARCHED, *SINGLE)
#: Names that say how a program is started or shown: no value of them changes what is searched.
_LAUNCHING = (
    "entity project wandb_project wandb_entity group wandb run_name exp_name experiment_name experiment device "
    "gpu gpus n_gpus num_gpus cuda use_cuda accelerator devices num_workers n_workers workers log_interval "
    "log_every log_freq verbose debug save_model save_dir output_dir out_dir "
    "log_dir checkpoint_dir dataset dataset_name data data_dir "
    "data_path dataset_path train_file tags notes job_type"
)
LAUNCHING = frozenset(_LAUNCHING.split())
#: Names whose meaning is known, and is none that a study has: why, and what would be right.
KNOWN_REASONS: dict[str, str] = {
    name: reason
    for names, reason in (
        (
            "loss loss_function loss_fn loss_func criterion",
            "the loss follows from the task here: cross-entropy of classes, the squared error of numbers",
        ),
        (
            "keep_prob keep_rate keep_probability",
            "is the share that is kept, and dropout is 1 minus it; write dropout into the file",
        ),
        (
            "weight_init weight_initialization initializer kernel_initializer init",
            "weights begin as Keras' layers do; initializers of your own stand in a Keras model (`run --model`)",
        ),
        (
            "validation_split val_split val_size test_size test_split train_fraction",
            "rows are divided 60/20/20 into training, validation and test; resampling.kind: kfold uses more of them",
        ),
        (
            "gamma lr_gamma lr_decay learning_rate_decay decay decay_rate lr_step step_size gamma_lr",
            "belongs to a schedule: training.schedule is constant, cosine or exponential with one decay_rate; write it "
            "into the study",
        ),
        (
            "gradient_clip grad_clip clip clip_norm clipnorm clip_value clipvalue gradient_clip_val max_grad_norm",
            "is the bound of a gradient, which no optimizer here has",
        ),
        (
            "warmup warmup_steps warmup_epochs warmup_ratio num_warmup_steps",
            "is the beginning of a schedule, and training.schedule is constant, cosine or exponential, without one",
        ),
        (
            "label_smoothing smoothing mixup cutmix mixup_alpha augment augmentation",
            "is a way to regularize that no study has",
        ),
        (
            "max_norm noise_std noise_stddev gaussian_noise",
            "is a way to regularize that no study searches; one value of it may stand in a Keras model (`run --model`)",
        ),
        ("shuffle", "a study shuffles the training rows in every epoch"),
        (
            "filters num_filters n_filters kernel_size kernels conv_layers num_conv_layers embedding_size "
            "embedding_dim num_heads n_heads num_embeddings lstm_units cell cell_type rnn_units model model_name "
            "model_type architecture arch backbone",
            "is architecture, and a study has one; give the model by `regsweep run --model model.keras`",
        ),
    )
    for name in names.split()
}
_NUMBERED = re.compile(
    r"(?:fc|dense|hidden|layer|lin|linear|hidden_layer|hidden_size|hidden_dim|units|n_units|num_units|hidden_units|neurons|"
    r"n_neurons|dense_units|units_layer|n_units_layer|fc_layer|node_size)"
    r"_?l?_?([1-9]?\d)(?:_(?:size|units|dim|neurons))?"
)
BY_NAME = {
    other: ours for ours, others in (SEARCHED | SINGLE).items() for other in (ours, *others.split()) if ours != "l2/2"
}


def normalize(name: str) -> str:
    """A name in lower case with underscores: `weightDecay`, `Weight-Decay` and `weight_decay` are the same."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")


def endings(name: str) -> tuple[str, ...]:
    """A nested name, and its last two and its last part: `model.optimizer.lr` may be known as any of them."""
    parts = [normalize(part) for part in name.split(".")]
    return tuple(dict.fromkeys("_".join(parts[-count:]) for count in (len(parts), 2, 1)))


def meaning_of(name: str, values: Any) -> str | None:
    """What a hyperparameter of another program most likely means here; None where no name says it."""
    ours = next((BY_NAME[each] for each in endings(name) if each in BY_NAME), None)
    if ours is None and layer_of(name) is not None:
        return "hidden_units"
    listed = values if isinstance(values, tuple) else (values,)
    if ours == "lambda" and any(isinstance(each, str) for each in listed):
        return "regularizer"  # `regularization: {values: [l1, l2]}`
    if ours == "regularizer" and not any(isinstance(each, str) for each in listed):
        return "lambda"
    return ours


def layer_of(name: str) -> int | None:
    """The number in the name of one layer's units, as in `layer_2` or `units_0`."""
    match = _NUMBERED.fullmatch(endings(name)[-1])
    return None if match is None else int(match[1])
