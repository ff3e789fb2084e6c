"""What today's PyTorch, setuptools and mmcv-lite need, so that MMDetection runs on them."""

from functools import cache

from .requirements import check_requirements


@cache
def apply() -> None:
    """Check what is installed, serve the operators that mmcv lacks, make files and NMS safe.

    To be called before anything of MMDetection is imported; a second call does nothing.

    Raises:
        ImportError: A package is missing; one sentence says what to install.
    """
    check_requirements()
    # Imported here, because these import the packages that were just found to be there.
    from . import batched_nms, checkpoints, config_text, mmcv_ext, worker_batches

    mmcv_ext.install()
    batched_nms.install()
    checkpoints.register()
    config_text.install()
    worker_batches.install()
    from . import ssd_head  # after the operators: it imports MMDetection's models

    ssd_head.install()
