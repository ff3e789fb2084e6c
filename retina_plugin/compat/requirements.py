"""Check that the packages that retina_plugin stands on are there, and fit it and each other.

Upstream OpenMMLab and the onedl-* forks are different distributions of the same import names, so
packages are judged by importing them, never by distribution name.
"""

# Nothing but the standard library is imported here before it is checked.
import importlib
import importlib.util
import re
import warnings
from types import ModuleType

REMEDY = (
    'install the tested set with `pip install "retina_plugin[stock]" -c constraints.txt`, '
    "constraints.txt being the file at the root of the retina_plugin repository"
)
NEEDED = ("mmengine", "mmcv", "mmdet", "pycocotools")
# From the first version that works up to, not including, the first that was not tried. These are
# the only versions that are compared: what a package can do is asked for elsewhere, by feature, but
# nothing can be asked of a package that is too old to import, or too new to have been seen.
TRIED = {
    "torch": ("2.1", "2.16"),
    "numpy": ("1.26", "2.5"),
    "mmengine": ("0.10.7", "0.10.13"),
    "mmcv": ("2.0.1", "2.3.7"),
    "mmdet": ("3.0.0", "3.5.2"),
}
# What the loader of shared libraries says where memory is full.
NO_ROOM = ("failed to map segment", "annot allocate memory")
# The last MMEngine that reads installed packages with pkg_resources, which setuptools 82 removed.
LAST_WITH_PKG_RESOURCES = "0.10.7"


def check_requirements() -> None:
    """Import what retina_plugin needs and compare versions.

    Raises:
        ImportError: A package is missing, too old, or does not import; one sentence says what to
            install.

    Warns:
        UserWarning: A version is newer than those that were tried.
    """
    check_numpy_bridge()
    for name in NEEDED:
        import_or_explain(name)
    check_pkg_resources()
    for name, (first, beyond) in TRIED.items():
        check_version(name, importlib.import_module(name).__version__, first, beyond)


def check_numpy_bridge() -> None:
    """Refuse a PyTorch that cannot read arrays of the numpy beside it.

    Raises:
        ImportError: PyTorch was built for another numpy, as 2.1 was for numpy 1, or one of the two
            is missing.
    """
    torch, numpy = import_or_explain("torch"), import_or_explain("numpy")
    try:
        torch.from_numpy(numpy.zeros(1))
    except RuntimeError as error:
        other = "numpy<2" if _release(numpy.__version__) >= (2,) else "numpy>=2"
        raise ImportError(
            f"torch {torch.__version__} cannot use numpy {numpy.__version__} ({error}): install "
            f'another one, `pip install "{other}"`, or a newer torch.'
        ) from error


def import_or_explain(name: str) -> ModuleType:
    """The imported package.

    Raises:
        ImportError: It is missing, or something that it needs is; one sentence.
    """
    try:
        return importlib.import_module(name)
    except MemoryError as error:
        raise ImportError(_no_room(name)) from error
    # MMDetection asserts the versions of MMCV and MMEngine when it is imported. What was compiled
    # for another numpy may raise a ValueError, a library that PyTorch does not find an OSError.
    except (ImportError, AssertionError, ValueError, OSError) as error:
        if any(words in str(error) for words in NO_ROOM):
            raise ImportError(_no_room(name)) from error
        absent = isinstance(error, ModuleNotFoundError) and error.name == name
        problem = "is not installed" if absent else f"cannot be imported ({error})"
        raise ImportError(f"retina_plugin needs {name}, which {problem}: {REMEDY}.") from error
    except RuntimeError as error:  # as yapf's, which MMEngine imports, where a user has no home
        raise ImportError(f"{name} cannot be imported: {error}.") from error


def _no_room(name: str) -> str:
    return f"{name} cannot be imported: there is too little memory for it (ulimit -v limits it)."


def check_pkg_resources() -> None:
    """Refuse an environment in which MMEngine cannot find installed packages.

    Raises:
        ImportError: MMEngine needs pkg_resources, and setuptools has none.
    """
    version = importlib.import_module("mmengine").__version__
    needed = _release(version) <= _release(LAST_WITH_PKG_RESOURCES)
    if needed and importlib.util.find_spec("pkg_resources") is None:
        raise ImportError(
            f"MMEngine {version} needs pkg_resources, which setuptools lost in version 82: "
            'run `pip install "setuptools>=77.0.3,<82"`.'
        )


def check_version(name: str, version: str, first: str, beyond: str) -> None:
    """Compare the release that `version` of package `name` is of, or is made before.

    Raises:
        ImportError: It is older than `first`.

    Warns:
        UserWarning: It is not older than `beyond`.
    """
    if _release(version) < _release(first):
        raise ImportError(
            f"retina_plugin needs {name} >={first}, but {version} is installed: upgrade it, or "
            f"{REMEDY}."
        )
    if _release(version) >= _release(beyond):
        warnings.warn(
            f"retina_plugin was tried with {name} >={first}, <{beyond}, not with {version}; "
            f"if something fails, {REMEDY}.",
            stacklevel=2,
        )


def _release(version: str) -> tuple[int, ...]:
    """(2, 1, 0) for `2.1.0a0+git1234`; zeros at the end are left out, as 2.1 and 2.1.0 are one."""
    numbers = [int(number) for number in re.split(r"[^\d.]", version)[0].strip(".").split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
