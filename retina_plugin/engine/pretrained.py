"""`init_cfg=dict(type="Pretrained", ...)`, which stops where the weights are of another module."""

from mmengine.model import PretrainedInit
from mmengine.registry import WEIGHT_INITIALIZERS
from mmengine.runner.checkpoint import _load_checkpoint
from torch import Tensor, nn

from ..errors import UserError
from .loaded_weights import LEAST, check_finite
from .weight_fit import Fit, compare, part, weights_in


@WEIGHT_INITIALIZERS.register_module(name="Pretrained", force=True)
class CheckedPretrainedInit(PretrainedInit):
    """MMEngine's, which goes on with random weights where those of the file do not fit.

    Args:
        checkpoint: path or address.
        prefix: of the names in the file, such as `backbone.`.
        map_location: as in `torch.load`.
    """

    def __call__(self, module: nn.Module) -> None:
        """Holds the weights against the module, then loads them.

        Raises:
            UserError: they are of another module, or not finite.
        """
        try:
            weights = self._weights()
            fit = compare(module, weights)
            check_module(fit)
            check_finite({key: weights[key] for key in fit.fitting})
        except UserError as error:
            name = type(module).__name__
            raise UserError(f"init_cfg of {name}: {self.checkpoint} {error}") from error
        super().__call__(module)

    def _weights(self) -> dict[str, Tensor]:
        weights = weights_in(_load_checkpoint(self.checkpoint, map_location="cpu"))
        if self.prefix is None:
            return weights
        prefix = self.prefix.rstrip(".") + "."
        found = {key.removeprefix(prefix): key for key in weights if key.startswith(prefix)}
        if not found:
            raise UserError(f"has no weight whose name begins with {prefix}, the prefix asked for.")
        return {name: weights[key] for name, key in found.items()}


def check_module(fit: Fit) -> None:
    """One part may have another shape, such as the first convolution; most must be the same.

    Raises:
        UserError: the weights are of another module.
    """
    if len({part(key) for key in fit.misshapen}) > 1:
        key, text = next(iter(fit.misshapen.items()))
        raise UserError(f"holds the weights of another module: {key} {text}.")
    if fit.share < LEAST:
        raise UserError(
            f"fits in {fit.share:.0%} of the weights only: it has no {fit.missing[0]}; "
            "name the module's place in the file with prefix."
        )
