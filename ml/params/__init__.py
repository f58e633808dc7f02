"""Reviewed parameters: `params.toml`, one profile over its defaults, single overrides over both."""

from ml.params.data import DataParams, ImageParams, SplitParams
from ml.params.judgement import EvaluationParams, GateParams, GuardParams, MonitoringParams
from ml.params.loading import Params, load_params
from ml.params.review import ReviewParams
from ml.params.training import (
    AdaptiveParams,
    EnsembleParams,
    ExperimentParams,
    FloatNodes,
    Initialisation,
    QuantizationParams,
    QuantizationSetting,
    TrainingParams,
    WarmStartParams,
)

__all__ = [
    "AdaptiveParams",
    "DataParams",
    "EnsembleParams",
    "EvaluationParams",
    "ExperimentParams",
    "FloatNodes",
    "GateParams",
    "GuardParams",
    "ImageParams",
    "Initialisation",
    "MonitoringParams",
    "Params",
    "QuantizationParams",
    "QuantizationSetting",
    "ReviewParams",
    "SplitParams",
    "TrainingParams",
    "WarmStartParams",
    "load_params",
]
