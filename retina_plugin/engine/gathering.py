"""Results of several processes, gathered over the process group."""

from typing import Any


def over_process_group(options: dict[str, Any]) -> dict[str, Any]:
    """Options of a metric of MMEngine, that by itself exchanges pickles in a shared folder.

    `gpu` is MMEngine's word for the process group, which may be one of processors. A `collect_dir`
    or a `collect_device` that is given stays.

    Args:
        options: keywords of the metric's constructor.
    """
    if options.get("collect_dir") is not None:
        return options
    return {"collect_device": "gpu", **options}
