"""Child registries of MMEngine's, under the scope `retina_plugin`.

A config names a module of ours as `retina_plugin.RetinaHead`, from whatever
default scope it has; inside the package classes are imported, not looked up.
"""

from mmengine.registry import DATA_SAMPLERS as ROOT_DATA_SAMPLERS
from mmengine.registry import DATASETS as ROOT_DATASETS
from mmengine.registry import HOOKS as ROOT_HOOKS
from mmengine.registry import LOOPS as ROOT_LOOPS
from mmengine.registry import METRICS as ROOT_METRICS
from mmengine.registry import MODEL_WRAPPERS as ROOT_MODEL_WRAPPERS
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import OPTIM_WRAPPERS as ROOT_OPTIM_WRAPPERS
from mmengine.registry import RUNNERS as ROOT_RUNNERS
from mmengine.registry import TASK_UTILS as ROOT_TASK_UTILS
from mmengine.registry import TRANSFORMS as ROOT_TRANSFORMS
from mmengine.registry import Registry

SCOPE = "retina_plugin"


def _child(root: Registry, *locations: str) -> Registry:
    return Registry(root.name, parent=root, scope=SCOPE, locations=list(locations))


MODELS = _child(ROOT_MODELS, "retina_plugin")
TASK_UTILS = _child(ROOT_TASK_UTILS, "retina_plugin")
DATASETS = _child(ROOT_DATASETS, "retina_plugin.data")
DATA_SAMPLERS = _child(ROOT_DATA_SAMPLERS, "retina_plugin.data")
TRANSFORMS = _child(ROOT_TRANSFORMS, "retina_plugin.data")
LOOPS = _child(ROOT_LOOPS, "retina_plugin.engine")
HOOKS = _child(ROOT_HOOKS, "retina_plugin.engine")
METRICS = _child(ROOT_METRICS, "retina_plugin.engine")
MODEL_WRAPPERS = _child(ROOT_MODEL_WRAPPERS, "retina_plugin.engine")
OPTIM_WRAPPERS = _child(ROOT_OPTIM_WRAPPERS, "retina_plugin.engine")
RUNNERS = _child(ROOT_RUNNERS, "retina_plugin.engine")
