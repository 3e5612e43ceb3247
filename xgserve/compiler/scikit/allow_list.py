"""What a .skops file may hold: types by name, values of their attributes, functions by name. All else is refused.

skops has its own list of what runs no code *when it is built*. That is not enough for a service that scores strangers'
rows with strangers' models: some of those types open the files that a row names, call what they are given, or take as
much memory or time as an attribute says. Add a type only after reading what it does with rows and with its attributes,
never because a file asks for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True)
class OneOf:
    """Takes exactly these values."""

    values: tuple[Any, ...]

    def takes(self, value: Any) -> bool:
        """Return whether the attribute may have this value."""
        return any(value == known and isinstance(value, bool) == isinstance(known, bool) for known in self.values)

    def __str__(self) -> str:
        return "one of " + ", ".join(map(repr, self.values))


@dataclass(frozen=True)
class EachOneOf:
    """Takes lists of these values."""

    values: tuple[Any, ...]

    def takes(self, value: Any) -> bool:
        """Return whether the attribute may have this value."""
        return isinstance(value, list) and all(item in self.values for item in value)

    def __str__(self) -> str:
        return "a list of " + ", ".join(map(repr, self.values))


@dataclass(frozen=True)
class Within:
    """Takes numbers from `low` to `high`, None, and lists of these."""

    low: float
    high: float

    def takes(self, value: Any) -> bool:
        """Return whether the attribute may have this value."""
        if isinstance(value, list):
            return all(map(self.takes, value))
        return value is None or (type(value) in (int, float) and self.low <= value <= self.high)

    def __str__(self) -> str:
        return f"a number from {self.low:g} to {self.high:g}"


Rule = OneOf | EachOneOf | Within

# Classifiers, and the steps before them in a pipeline: each does arithmetic on a row and its own arrays, no more.
ESTIMATORS: Final[Mapping[str, tuple[str, ...]]] = {
    "sklearn.calibration": ("CalibratedClassifierCV",),
    "sklearn.cluster._kmeans": ("KMeans", "MiniBatchKMeans"),
    "sklearn.compose._column_transformer": ("ColumnTransformer",),
    "sklearn.decomposition._fastica": ("FastICA",),
    "sklearn.decomposition._pca": ("PCA",),
    "sklearn.decomposition._truncated_svd": ("TruncatedSVD",),
    "sklearn.discriminant_analysis": ("LinearDiscriminantAnalysis", "QuadraticDiscriminantAnalysis"),
    "sklearn.dummy": ("DummyClassifier",),
    "sklearn.ensemble._bagging": ("BaggingClassifier",),
    "sklearn.ensemble._forest": ("ExtraTreesClassifier", "RandomForestClassifier", "RandomTreesEmbedding"),
    "sklearn.ensemble._gb": ("GradientBoostingClassifier",),
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting": ("HistGradientBoostingClassifier",),
    "sklearn.ensemble._stacking": ("StackingClassifier",),
    "sklearn.ensemble._voting": ("VotingClassifier",),
    "sklearn.ensemble._weight_boosting": ("AdaBoostClassifier",),
    "sklearn.feature_selection._from_model": ("SelectFromModel",),
    "sklearn.feature_selection._rfe": ("RFE", "RFECV"),
    "sklearn.feature_selection._sequential": ("SequentialFeatureSelector",),
    "sklearn.feature_selection._univariate_selection": (
        *("GenericUnivariateSelect", "SelectFdr", "SelectFpr", "SelectFwe", "SelectKBest", "SelectPercentile"),
    ),
    "sklearn.feature_selection._variance_threshold": ("VarianceThreshold",),
    "sklearn.frozen._frozen": ("FrozenEstimator",),
    "sklearn.impute._base": ("MissingIndicator", "SimpleImputer"),
    "sklearn.impute._knn": ("KNNImputer",),
    "sklearn.isotonic": ("IsotonicRegression",),
    "sklearn.kernel_approximation": ("Nystroem", "RBFSampler"),
    "sklearn.linear_model._base": ("LinearRegression",),
    "sklearn.linear_model._bayes": ("BayesianRidge",),
    "sklearn.linear_model._coordinate_descent": ("ElasticNet", "ElasticNetCV", "Lasso", "LassoCV"),
    "sklearn.linear_model._logistic": ("LogisticRegression", "LogisticRegressionCV"),
    "sklearn.linear_model._perceptron": ("Perceptron",),
    "sklearn.linear_model._ridge": ("Ridge", "RidgeCV", "RidgeClassifier", "RidgeClassifierCV"),
    "sklearn.linear_model._stochastic_gradient": ("SGDClassifier",),
    "sklearn.model_selection._classification_threshold": ("FixedThresholdClassifier", "TunedThresholdClassifierCV"),
    "sklearn.multiclass": ("OneVsRestClassifier",),
    "sklearn.naive_bayes": ("BernoulliNB", "CategoricalNB", "ComplementNB", "GaussianNB", "MultinomialNB"),
    "sklearn.neighbors._classification": ("KNeighborsClassifier",),
    "sklearn.neural_network._multilayer_perceptron": ("MLPClassifier",),
    "sklearn.pipeline": ("FeatureUnion", "Pipeline"),
    "sklearn.preprocessing._data": (
        *("Binarizer", "MaxAbsScaler", "MinMaxScaler", "Normalizer", "PowerTransformer", "QuantileTransformer"),
        *("RobustScaler", "StandardScaler"),
    ),
    "sklearn.preprocessing._discretization": ("KBinsDiscretizer",),
    "sklearn.preprocessing._encoders": ("OneHotEncoder", "OrdinalEncoder"),
    "sklearn.preprocessing._function_transformer": ("FunctionTransformer",),
    "sklearn.preprocessing._label": ("LabelBinarizer", "LabelEncoder"),
    "sklearn.preprocessing._polynomial": ("PolynomialFeatures", "SplineTransformer"),
    "sklearn.preprocessing._target_encoder": ("TargetEncoder",),
    "sklearn.random_projection": ("GaussianRandomProjection",),
    "sklearn.semi_supervised._self_training": ("SelfTrainingClassifier",),
    "sklearn.svm._classes": ("LinearSVC", "NuSVC", "SVC"),
    "sklearn.tree._classes": (
        *("DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor"),
    ),
}

PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "scipy.interpolate._bsplines": ("BSpline",),  # remade by its own constructor: see loading.py
    "sklearn._loss.link": ("HalfLogitLink", "IdentityLink", "Interval", "LogitLink", "MultinomialLogit"),
    "sklearn._loss.loss": ("ExponentialLoss", "HalfBinomialLoss"),
    "sklearn.calibration": ("_CalibratedClassifier", "_SigmoidCalibration", "_TemperatureScaling"),
    "sklearn.ensemble._hist_gradient_boosting.binning": ("_BinMapper",),
    "sklearn.ensemble._hist_gradient_boosting.predictor": ("TreePredictor",),  # see integrity.py
    "sklearn.multiclass": ("_ConstantPredictor",),
    "sklearn.preprocessing._label": ("LabelBinarizer",),
}

OBJECTS: Final = frozenset(
    f"{module}.{name}" for types in (ESTIMATORS, PARTS) for module, names in types.items() for name in names
)
TREE: Final = "sklearn.tree._tree.Tree"  # see integrity.py
LOSSES: Final = frozenset({"sklearn._loss._loss.CyExponentialLoss", "sklearn._loss._loss.CyHalfBinomialLoss"})
DICTIONARIES: Final = frozenset({"builtins.dict", "collections.OrderedDict"})
NUMBERS: Final = frozenset(
    {
        *("numpy.bool", "numpy.bool_", "numpy.float16", "numpy.float32", "numpy.float64"),
        *("numpy.int8", "numpy.int16", "numpy.int32", "numpy.int64"),
        *("numpy.uint8", "numpy.uint16", "numpy.uint32", "numpy.uint64"),
    }
)
# NumPy's arrays and scalars; some of its other types allocate as much memory as a number in the file says.
ARRAYS: Final = NUMBERS | {"numpy.ndarray", "numpy.str_"}
# Types that a file may name: of a dictionary's keys, of an encoder's output.
TYPES: Final = NUMBERS | {"builtins.bool", "builtins.float", "builtins.int", "builtins.str", "numpy.str_"}

# Attributes that scoring does not use. They are never built, whatever they hold: generators of random numbers, folds,
# scorers and candidates of a finished search, caches on disk, trees of neighbours (grown again: see loading.py).
DROPPED: Final = frozenset(
    {
        *("_curve_scorer", "_feature_subsample_rng", "_loss_function_", "_metadata_request", "_optimizer"),
        *("_random_state", "_rng", "_scorer", "_tree", "callbacks", "cv", "cv_results_", "loss_function_", "memory"),
        *("named_estimators_", "random_state", "score_func", "scorer_", "scoring", "transformers"),
    }
)

# A search over parameters is replaced by the estimator that it found.
SEARCHES: Final = frozenset(
    {
        *("sklearn.model_selection._search.GridSearchCV", "sklearn.model_selection._search.RandomizedSearchCV"),
        "sklearn.model_selection._search_successive_halving.HalvingGridSearchCV",
        "sklearn.model_selection._search_successive_halving.HalvingRandomSearchCV",
    }
)

METRICS = ("minkowski", "euclidean", "l2", "manhattan", "cityblock", "l1", "chebyshev", "infinity", "nan_euclidean")
METHODS = ("predict_proba", "decision_function", "predict", "auto")

# The allowed values of attributes, by name, or by type and name if several types share an attribute name.
RULES: Final[Mapping[str, Rule]] = {
    "degree": Within(0, 25),
    "_fit_method": OneOf(("ball_tree", "kd_tree", "brute")),
    "_max_degree": Within(0, 25),
    "_min_degree": Within(0, 25),
    "effective_metric_": OneOf(METRICS),
    "importance_getter": OneOf(("auto", "coef_", "feature_importances_")),
    "kernel": OneOf(("linear", "poly", "polynomial", "rbf", "sigmoid", "laplacian", "cosine")),
    "leaf_size": Within(1, 1_000_000),
    "metric": OneOf((*METRICS, None)),
    "n_classes_": OneOf((1, 2)),
    "n_neighbors": Within(1, 1_000_000),
    "n_outputs_": OneOf((1,)),
    "p": Within(0.001, 1_000),
    "response_method": OneOf(METHODS),
    "stack_method": OneOf(METHODS),
    "stack_method_": EachOneOf(METHODS),
    "FunctionTransformer.feature_names_out": OneOf((None, "one-to-one")),
    "FunctionTransformer.inv_kw_args": OneOf((None, {})),
    "FunctionTransformer.kw_args": OneOf((None, {})),
    "KNeighborsClassifier.weights": OneOf((None, "uniform", "distance")),
    "KNeighborsClassifier.metric_params": OneOf((None, {})),
    "KNNImputer.weights": OneOf((None, "uniform", "distance")),
}

# The only functions that may be called: elementwise ones of NumPy and SciPy.
FUNCTIONS: Final[Mapping[str, frozenset[str]]] = {
    "numpy": frozenset(
        {
            *("absolute", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "cbrt", "ceil", "cos", "cosh"),
            *("deg2rad", "degrees", "exp", "exp2", "expm1", "fabs", "floor", "isfinite", "isnan", "log", "log10"),
            *("log1p", "log2", "negative", "positive", "rad2deg", "radians", "reciprocal", "rint", "sign", "sin"),
            *("sinh", "sqrt", "square", "tan", "tanh", "trunc"),
        }
    ),
    "scipy.special": frozenset({"expit", "expm1", "log1p", "log_expit", "logit", "ndtr", "ndtri"}),
}
# The modules of these functions in other versions of the libraries.
MODULES_OF_FUNCTIONS: Final[Mapping[str, str]] = {
    "numpy": "numpy",
    "numpy._core._multiarray_umath": "numpy",
    "numpy._core.umath": "numpy",
    "numpy.core._multiarray_umath": "numpy",
    "numpy.core.umath": "numpy",
    "scipy.special": "scipy.special",
    "scipy.special._special_ufuncs": "scipy.special",
    "scipy.special._ufuncs": "scipy.special",
}
MAY_CALL: Final = frozenset({"FunctionTransformer.func", "FunctionTransformer.inverse_func"})
# Histogram boosting with category columns checks its other columns with this function.
CHECK: Final = "sklearn.utils.validation.check_array"
CHECK_OPTIONS: Final = frozenset({"dtype", "ensure_all_finite", "force_all_finite"})
AS_ARRAY: Final = "scipy._lib.array_api_compat.numpy._aliases.asarray"  # of a BSpline, which is made again

# Why some common types are not on the list, and what to save instead; the longest matching name counts.
ADVICE: Final[Mapping[str, str]] = {
    "lightgbm.": 'LightGBM reads it on trust; save it with booster_.save_model("model.txt"), which needs none',
    "xgboost.": 'XGBoost reads it on trust; save it with save_model("model.json"), which needs none',
    "catboost.": "its trees are read by CatBoost's own compiled code, which takes them on trust",
    "scipy.sparse.": "fit on plain arrays instead, with OneHotEncoder(sparse_output=False)",
    "scipy.stats.": "of a search, save its best_estimator_",
    "sklearn.decomposition._lda.": "it works on each row for as long as the model says; leave it out",
    "sklearn.decomposition._nmf.": "it works on each row for as long as the model says; leave it out",
    "sklearn.feature_extraction.": "it can open the files that a row names; use OneHotEncoder for names",
    "sklearn.feature_extraction._hash.": "it takes as much memory as the model says; use OneHotEncoder for names",
    "sklearn.gaussian_process.": "it keeps all shots it was fitted on; save another classifier",
    "sklearn.impute._iterative.": "use SimpleImputer or KNNImputer, or a classifier that takes nulls",
    "sklearn.neighbors.": "KNeighborsClassifier is on the list",
    "sklearn.metrics.": "of a search, save its best_estimator_",
    "sklearn.model_selection.": "of a search, save its best_estimator_",
    "numpy.random.": "set random_state to a whole number before you fit",
}
