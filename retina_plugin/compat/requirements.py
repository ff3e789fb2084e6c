"""Are the packages that retina_plugin stands on there, and in a version that was tried?

Upstream OpenMMLab and the onedl-* forks are different distributions of the same import names, so
packages are judged by importing them, never by distribution name.
"""

import importlib
import importlib.util
import warnings
from types import ModuleType

from torch.torch_version import TorchVersion

REMEDY = (
    'install the tested set with `pip install "retina_plugin[stock]" -c constraints.txt`, '
    "constraints.txt being the file at the root of the retina_plugin repository"
)
NEEDED = ("mmengine", "mmcv", "mmdet", "pycocotools")
# From the first version that was tried up to, not including, the first that was not.
TRIED = {
    "torch": ("2.13", "2.14"),
    "numpy": ("2.1", "2.5"),
    "mmengine": ("0.10.7", "0.10.13"),
    "mmcv": ("2.1.0", "2.3.7"),
    "mmdet": ("3.3.0", "3.5.2"),
}
# The last MMEngine that reads installed packages with pkg_resources, which setuptools 82 removed.
LAST_WITH_PKG_RESOURCES = "0.10.7"


def check_requirements() -> None:
    """Import what retina_plugin needs and compare versions.

    Raises:
        ImportError: A package is missing or does not import; one sentence says what to install.

    Warns:
        UserWarning: A version lies outside the tried range.
    """
    for name in NEEDED:
        import_or_explain(name)
    check_pkg_resources()
    for name, (first, beyond) in TRIED.items():
        check_version(name, importlib.import_module(name).__version__, first, beyond)


def import_or_explain(name: str) -> ModuleType:
    """The imported package.

    Raises:
        ImportError: It is missing, or something that it needs is; one sentence.
    """
    try:
        return importlib.import_module(name)
    # MMDetection asserts the versions of MMCV and MMEngine when it is imported.
    except (ImportError, AssertionError) as error:
        absent = isinstance(error, ModuleNotFoundError) and error.name == name
        problem = "is not installed" if absent else f"cannot be imported ({error})"
        raise ImportError(f"retina_plugin needs {name}, which {problem}: {REMEDY}.") from error
    except RuntimeError as error:  # as yapf's, which MMEngine imports, where a user has no home
        raise ImportError(f"{name} cannot be imported: {error}.") from error


def check_pkg_resources() -> None:
    """Refuse an environment in which MMEngine cannot find installed packages.

    Raises:
        ImportError: MMEngine needs pkg_resources, and setuptools has none.
    """
    version = importlib.import_module("mmengine").__version__
    needed = TorchVersion(version) <= LAST_WITH_PKG_RESOURCES
    if needed and importlib.util.find_spec("pkg_resources") is None:
        raise ImportError(
            f"MMEngine {version} needs pkg_resources, which setuptools lost in version 82: "
            'run `pip install "setuptools>=77.0.3,<82"`.'
        )


def check_version(name: str, version: str, first: str, beyond: str) -> None:
    """Warn if `version` of package `name` is below `first`, or not below `beyond`."""
    if not first <= TorchVersion(version) < beyond:
        warnings.warn(
            f"retina_plugin was tried with {name} >={first}, <{beyond}, not with {version}; "
            f"if something fails, {REMEDY}.",
            stacklevel=2,
        )
