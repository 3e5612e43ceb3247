"""The versions of the library that made an artifact and of the one here, and advice on errors if they differ."""

from xgserve.contract import LibraryVersions

# The packages of these modules.
PACKAGES = {"imblearn": "imbalanced-learn", "sklearn": "scikit-learn"}
EXTRAS = {"lightgbm": "boosters", "xgboost": "boosters"}


class Versions(LibraryVersions, frozen=True):
    """A library's version that made an artifact (None: not recorded), and the one that opened it here."""

    def plain(self) -> LibraryVersions:
        """Return the versions without the advice, as the contract has them."""
        return LibraryVersions(self.name, self.artifact, self.here)

    @property
    def skew(self) -> str:
        """Both versions in words."""
        return f"made with {self.name} {self.artifact}, loaded with {self.here}"

    @property
    def warnings(self) -> list[str]:
        """The warning about an artifact of another version, if any."""
        return [self.skew] if self.artifact and self.artifact != self.here else []

    def reason(self, error: BaseException | None) -> str:
        """Return a suffix for a model's error message: the likely reason, and what to do."""
        module = (error.name or "") if isinstance(error, ModuleNotFoundError) else ""
        package = module.partition(".")[0]
        if package and package not in ("sklearn", "_loss"):  # former modules of scikit-learn
            return f". {needs(package)}"
        if isinstance(error, AttributeError) and "__main__" in str(error):
            return f". {needs('__main__')}"
        if self.artifact == self.here:
            return ""
        if self.artifact is not None:
            return (
                f". It was {self.skew}, which is the likely reason: fit and save it again with {self.name} {self.here}"
            )
        if isinstance(error, AttributeError | ImportError):
            return (
                f". It was probably made with another version of {self.name}, which it does not name: fit and save it "
                f"again with {self.here}"
            )
        return ""


def needs(package: str) -> str:
    """Return what to do about a library that is not installed."""
    if package == "__main__":
        return "It holds code of its author's own, which is not here: save a pipeline of library estimators"
    name = PACKAGES.get(package, package)
    extra = EXTRAS.get(package)
    how = f"pip install '.[{extra}]' in the project's folder" if extra else f"pip install {name}"
    return f"It needs {name}, which is not installed here: {how}, and restart the service"
