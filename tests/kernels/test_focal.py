"""Each form of the focal loss's sum and gradient against the plain form in float64."""

import pytest
import torch

from retina_plugin import FocalLoss, focal_loss
from retina_plugin.compat.torch_features import OutOfMemoryError
from retina_plugin.errors import UserError
from retina_plugin.kernels import focal, native
from retina_plugin.kernels.fallback import warn_once
from retina_plugin.kernels.focal import BLOCKED, DTYPES, NATIVE, FocalSum, focal_form
from retina_plugin.kernels.focal_input import FocalInput
from retina_plugin.losses.focal import _alpha_rows

GAMMAS = [0.0, 0.5, 1.0, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0]
FORMS = {"blocked": BLOCKED, "native": NATIVE}
# One unit in the last place, relative.
UNIT = {torch.bfloat16: 2**-7, torch.float16: 2**-10}


@pytest.fixture(params=["blocked", "native", "triton"])
def form(request):
    """Every form that runs here; Triton's in its interpreter."""
    if request.param == "triton":
        request.getfixturevalue("interpreted")
    return focal_form(request.param, "cpu")


def batch(rows, classes, scale=4.0, shift=0.0, dtype=torch.float32):
    logits = (torch.randn(rows, classes) * scale + shift).to(dtype)
    alpha = torch.rand(classes)
    labels = torch.randint(0, classes + 1, (rows,))
    return logits, labels, torch.rand(rows), torch.stack([alpha, 1 - alpha])


def exact(logits, labels, weights, gamma, alpha):
    x = logits.double().requires_grad_()
    total = (focal_loss(x, labels, gamma, alpha[0].tolist()) * weights[:, None]).sum()
    return total.item(), torch.autograd.grad(total, x)[0]


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("classes", [1, 3, 80])
@pytest.mark.parametrize(("scale", "shift"), [(0.1, -4.6), (1.0, 0.0), (5.0, 0.0), (100.0, 0.0)])
def test_sum_and_gradient_are_exact_to_a_millionth(form, gamma, classes, scale, shift):
    logits, labels, weights, alpha = batch(400, classes, scale, shift)
    total, gradient = form.run(FocalInput(logits, labels, weights, gamma, alpha), True)
    expected, slope = exact(logits, labels, weights, gamma, alpha)
    assert total.item() == pytest.approx(expected, rel=1e-6)
    tolerance = 1e-6 if gamma <= 5 else 2e-6
    assert ((gradient.double() - slope).norm() / slope.norm()).item() <= tolerance


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_half_precision_gradient_is_off_by_a_unit_at_most(form, gamma, dtype, scale):
    logits, labels, weights, alpha = batch(500, 7, scale, dtype=dtype)
    total, gradient = form.run(FocalInput(logits, labels, weights, gamma, alpha), True)
    expected, slope = exact(logits, labels, weights, gamma, alpha)
    assert total.item() == pytest.approx(expected, rel=1e-5)
    error = (gradient.double() - slope).abs()
    subnormal = torch.finfo(dtype).smallest_normal  # numbers below it have no whole precision
    assert gradient.dtype == dtype
    assert (error <= (slope.abs() * UNIT[dtype]).clamp(min=subnormal)).all()


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
@pytest.mark.parametrize(
    ("dtype", "limit"), [(torch.float32, 6e4), (torch.bfloat16, 6e4), (torch.float16, 1e4)]
)
def test_finite_for_every_finite_logit(form, gamma, dtype, limit):
    row = torch.tensor([0, 1e-3, 1, 10, 17, 88, 104, 750, 1e4, limit])
    logits = torch.cat([row, -row])[:, None].to(dtype)
    for label in (0, 1):
        labels = torch.full((len(logits),), label)
        one = torch.ones(len(logits))
        total, slope = form.run(FocalInput(logits, labels, one, gamma, torch.ones(2, 1)), True)
        assert total.isfinite()
        assert slope.isfinite().all()


def test_logit_that_is_not_a_number_is_not_hidden(form):
    logits, labels, weights, alpha = batch(40, 3)
    logits[7, 1] = torch.nan
    total, slope = form.run(FocalInput(logits, labels, weights, 2.0, alpha), True)
    assert total.isnan()
    assert slope.isnan().nonzero().tolist() == [[7, 1]]


def test_anchor_of_weight_zero_is_left_out(form):
    logits, labels, weights, alpha = batch(40, 3)
    weights[5:] = 0
    total, slope = form.run(FocalInput(logits, labels, weights, 2.0, alpha), True)
    few = form.run(FocalInput(logits[:5], labels[:5], weights[:5], 2.0, alpha), False)
    torch.testing.assert_close(total, few[0])
    assert few[1] is None
    assert (slope[5:] == 0).all()


def test_no_anchors_give_zero(form):
    total, slope = form.run(FocalInput(*batch(0, 5)[:3], 2.0, torch.ones(2, 5)), True)
    assert total.item() == 0
    assert slope.shape == (0, 5)


@pytest.mark.parametrize("rows", [1, 599, 600, 601, 1300])
def test_blocks_cover_every_row_once(rows, monkeypatch):
    """48,000 elements of 80 classes are 600 rows, those of focal.c 25.6."""
    logits, labels, weights, alpha = batch(rows, 80)
    totals = [f.run(FocalInput(logits, labels, weights, 2.0, alpha), True) for f in FORMS.values()]
    expected, slope = exact(logits, labels, weights, 2.0, alpha)
    for total, gradient in totals:
        assert total.item() == pytest.approx(expected, rel=1e-6)
        torch.testing.assert_close(gradient.double(), slope, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_any_number_of_threads_gives_the_same_gradient(threads, monkeypatch):
    logits, labels, weights, alpha = batch(400, 80)
    alone = NATIVE.run(FocalInput(logits, labels, weights, 2.0, alpha), True)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    total, gradient = NATIVE.run(FocalInput(logits, labels, weights, 2.0, alpha), True)
    assert torch.equal(gradient, alone[1])
    torch.testing.assert_close(total, alone[0])


@pytest.mark.parametrize("factor", [1.0, 0.5, 3.0])
def test_backward_scales_the_kept_gradient(form, factor):
    logits, labels, weights, alpha = batch(50, 3)
    logits.requires_grad_()
    loss = FocalSum.apply(logits, labels, weights, 2.0, alpha, form) * factor
    loss.backward(retain_graph=True)
    expected = exact(logits.detach(), labels, weights, 2.0, alpha)[1] * factor
    torch.testing.assert_close(logits.grad.double(), expected, rtol=1e-4, atol=1e-7)
    loss.backward()  # a retained graph can be walked again
    torch.testing.assert_close(logits.grad.double(), 2 * expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("factor", [1 / 3, 0.7])
@pytest.mark.parametrize("name", FORMS)  # Triton's interpreter does not round, it cuts digits off
def test_bfloat16_gradient_of_a_scaled_sum_is_off_by_a_unit_at_most_and_not_biased(name, factor):
    logits, labels, weights, alpha = batch(500, 7, dtype=torch.bfloat16)
    logits.requires_grad_()
    (FocalSum.apply(logits, labels, weights, 2.0, alpha, FORMS[name]) * factor).backward()
    expected = exact(logits.detach(), labels, weights, 2.0, alpha)[1] * factor
    error = (logits.grad.double() / expected - 1)[expected != 0]
    assert error.abs().max() <= UNIT[torch.bfloat16]
    assert error.mean().abs() <= 2e-4  # of 3,500; a rounded factor moves all by 1e-3 or more


def test_on_a_device_the_factor_is_not_rounded_to_half_precision():
    """As on a CPU, where the factor is read."""
    gradient, factor = torch.randn(50, 3).bfloat16(), torch.tensor(1 / 3)
    got = focal._multiplied(gradient, factor)
    assert got.dtype == torch.bfloat16
    assert torch.equal(got, focal.scaled(gradient, factor))
    assert torch.equal(got, (gradient.float() / 3).bfloat16())


@pytest.mark.parametrize("factors", [(2.0, 6.0), (0.0, 2.0), (1.0, 1.0)])
def test_each_pass_through_a_retained_graph_gives_a_gradient_of_its_own(form, factors):
    logits, labels, weights, alpha = batch(50, 3)
    logits.requires_grad_()
    total = FocalSum.apply(logits, labels, weights, 2.0, alpha, form)
    expected = exact(logits.detach(), labels, weights, 2.0, alpha)[1]
    found = [
        torch.autograd.grad(total, logits, torch.tensor(factor), retain_graph=True)[0]
        for factor in factors
    ]
    found.append(torch.autograd.grad(total, logits, torch.tensor(3.0))[0])
    for gradient, factor in zip(found, (*factors, 3.0), strict=True):
        torch.testing.assert_close(gradient.double(), expected * factor, rtol=1e-4, atol=1e-7)


class Scaled(torch.autograd.Function):
    """The least that has an argument besides tensors."""

    @staticmethod
    def forward(ctx, x, form):
        return x.clone()

    @staticmethod
    def backward(ctx, outer):
        return outer, None


def compiler_takes_functions_of_objects():
    try:
        compiled = torch.compile(
            lambda x: Scaled.apply(x, BLOCKED), backend="eager", fullgraph=True
        )
        compiled(torch.ones(1, requires_grad=True))
    except torch._dynamo.exc.Unsupported:
        return False
    return True


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # dynamo
def test_a_form_that_scales_in_place_is_compiled_in_one_piece():
    if not compiler_takes_functions_of_objects():
        pytest.skip("this PyTorch's compiler takes no autograd function with an object")

    def run(given, _):
        return given.logits.square().sum() / 2, given.logits.clone()

    form = focal.Form(run, lambda gradient, outer: gradient.mul_(outer), in_place=True)
    logits, labels, weights, alpha = batch(8, 3)
    logits.requires_grad_()

    def loss(x):
        return FocalSum.apply(x, labels, weights, 2.0, alpha, form) * 3

    torch._dynamo.reset()
    torch.compile(loss, backend="aot_eager", fullgraph=True)(logits).backward()
    torch.testing.assert_close(logits.grad, 3 * logits.detach())


@pytest.mark.usefixtures("interpreted")
def test_triton_kernels_run_on_the_device_of_their_tensors(launches):
    from retina_plugin.kernels import triton_focal

    launched = launches(triton_focal, "_focal_kernel", "_scale_kernel")
    _, gradient = triton_focal.fused(FocalInput(*batch(4, 3)[:3], 2.0, torch.ones(2, 3)), True)
    triton_focal.scale_in_place(gradient, torch.tensor(2.0))
    assert launched == [True, True]


def test_blocks_are_added_in_float64_only_where_the_device_has_it():
    types = {name: focal._sum_dtype(name) for name in ("cpu", "cuda", "mps", "xpu")}
    assert types == {
        "cpu": torch.float64,
        "cuda": torch.float64,
        "mps": torch.float32,
        "xpu": torch.float32,
    }


def test_blocks_run_where_there_is_no_float64(monkeypatch):
    monkeypatch.setattr(focal, "_sum_dtype", lambda _: torch.float32)
    logits, labels, weights, alpha = batch(1300, 80)
    total, _ = BLOCKED.run(FocalInput(logits, labels, weights, 2.0, alpha), False)
    expected, _ = exact(logits, labels, weights, 2.0, alpha)
    assert total.item() == pytest.approx(expected, rel=1e-6)


def test_gradient_of_a_plain_sum_is_the_kept_one_without_a_copy():
    kept = []

    def spy(*arguments):
        total, gradient = focal.native(*arguments)
        kept.append(gradient.data_ptr())
        return total, gradient

    logits, labels, weights, alpha = batch(50, 3)
    logits.requires_grad_()
    form = focal.Form(spy, focal.scaled)
    FocalSum.apply(logits, labels, weights, 2.0, alpha, form).backward()
    assert kept == [logits.grad.data_ptr()]


@pytest.mark.parametrize("name", ["blocked", "native", "auto"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("avg_factor", [None, 7.0, 0, torch.tensor(7.0)])
@pytest.mark.parametrize("alpha", [0.25, None, [0.1, 0.2, 0.3], 1, [1, 0, 1]])
def test_module_gives_the_plain_forms_loss(name, weighted, avg_factor, alpha):
    _alpha_rows.cache_clear()  # which takes 1 for 1.0
    logits, labels, weights, _ = batch(64, 3)
    arguments = (labels, weights if weighted else None, avg_factor)
    losses = []
    for form in ("plain", name):
        x = logits.clone().requires_grad_()
        loss = FocalLoss(loss_weight=2.0, alpha=alpha, form=form)(x, *arguments)
        loss.backward()
        losses.append((loss, x.grad))
    torch.testing.assert_close(losses[1], losses[0])


@pytest.mark.parametrize("name", ["plain", "blocked", "native", "triton"])
def test_small_gradients_survive_float16_where_the_loss_is_scaled(name, request):
    """An easy negative at the prior, divided by 200 positives: 1e-8, which float16 does not have.

    GradScaler multiplies the loss by 65,536, which it does not have either.
    """
    if name == "triton":
        request.getfixturevalue("interpreted")
    logits = torch.full((9, 2), -4.595, dtype=torch.float16, requires_grad=True)
    labels = torch.full((9,), 2)
    exact_logits = logits.detach().double().requires_grad_()
    (focal_loss(exact_logits, labels, 2.0, 0.25).sum() * 65536 / 200).backward()
    (FocalLoss(form=name)(logits, labels, avg_factor=200.0) * 65536).backward()
    assert logits.grad.dtype == torch.float16
    torch.testing.assert_close(logits.grad.double(), exact_logits.grad, rtol=1e-3, atol=0)


@pytest.mark.parametrize("name", ["blocked", "native", "triton"])
@pytest.mark.parametrize("kind", ["int32", "uint8", "strided"])
def test_labels_of_any_integer_type_and_layout(name, kind, request):
    if name == "triton":
        request.getfixturevalue("interpreted")
    logits, labels, _, _ = batch(64, 3)
    given = torch.stack([labels, labels.flip(0)], dim=1)[:, 0]
    given = given if kind == "strided" else labels.to(getattr(torch, kind))
    expected = FocalLoss(form="plain")(logits, labels)
    torch.testing.assert_close(FocalLoss(form=name)(logits, given), expected)


@pytest.mark.parametrize("reason", ["none", "soft", "class", "float64"])
def test_what_no_fast_form_knows_takes_the_plain_one(reason, monkeypatch):
    monkeypatch.setattr(FocalSum, "apply", None)
    logits, labels, _, _ = batch(8, 3)
    target = torch.rand(8, 3) if reason == "soft" else labels
    weight = torch.rand(8, 3) if reason == "class" else None
    logits = logits.double() if reason == "float64" else logits
    override = "none" if reason == "none" else None
    assert FocalLoss()(logits, target, weight, reduction_override=override).isfinite().all()


def test_functions_of_functions_take_the_plain_one():
    logits, labels, _, _ = batch(8, 3)
    loss = FocalLoss()
    plain = FocalLoss(form="plain")
    for transform in (torch.func.grad, torch.func.hessian):
        found, expected = (
            transform(lambda x, each=each: each(x, labels))(logits) for each in (loss, plain)
        )
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", ["auto", "blocked", "native"])
def test_loss_of_a_subclass_is_its_own(name):
    class Halved(FocalLoss):
        def each(self, pred, target):
            return super().each(pred, target) / 2

    logits, labels, _, _ = batch(8, 3)
    torch.testing.assert_close(Halved(form=name)(logits, labels) * 2, FocalLoss()(logits, labels))


def test_without_a_compiler_blocks_take_over_and_say_so(monkeypatch, logged):
    monkeypatch.setenv("CC", "no-such-compiler")
    native._loaded.cache_clear()
    warn_once.cache_clear()
    logits, labels, _, _ = batch(8, 3)
    for _ in range(2):
        assert focal_form("auto", "cpu") is BLOCKED
    assert logged.text.count("no C compiler was found (no-such-compiler") == 1
    with pytest.raises(ValueError, match="form='native' cannot run on cpu: no C compiler"):
        FocalLoss(form="native")(logits, labels)
    native._loaded.cache_clear()


def test_accelerator_out_of_memory_takes_blocks_and_says_so(logged):
    def full(*_):
        raise OutOfMemoryError("2 GB asked for")

    warn_once.cache_clear()
    logits, labels, weights, alpha = batch(50, 3)
    logits.requires_grad_()
    form = focal.Form(full, focal.scaled, in_place=True, spare=BLOCKED)
    FocalSum.apply(logits, labels, weights, 2.0, alpha, form).backward()
    expected = exact(logits.detach(), labels, weights, 2.0, alpha)[1]
    torch.testing.assert_close(logits.grad.double(), expected, rtol=1e-4, atol=1e-7)
    assert "block by block: 2 GB asked for" in logged.text
    with pytest.raises(OutOfMemoryError):
        FocalSum.apply(logits, labels, weights, 2.0, alpha, focal.Form(full, focal.scaled))


def test_forced_form_that_cannot_run_is_an_error():
    with pytest.raises(ValueError, match="form='triton' cannot run on cpu: Triton works on CUDA"):
        focal_form("triton", "cpu")
    with pytest.raises(ValueError, match="form to be one of"):
        FocalLoss(form="fastest")


@pytest.mark.filterwarnings("ignore:Dynamo detected a call to a `functools.lru_cache`:UserWarning")
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # dynamo
@pytest.mark.parametrize("name", ["auto", "blocked", "plain"])
def test_compiled_by_pytorch_the_module_gives_the_same_loss(name):
    loss, labels = FocalLoss(form=name), torch.tensor([0, 3, 2, 3, 1])
    logits = torch.randn(5, 3, requires_grad=True)
    expected = torch.autograd.grad(loss(logits, labels, avg_factor=2), logits)
    torch._dynamo.reset()
    compiled = torch.compile(lambda x: loss(x, labels, avg_factor=2.0), backend="aot_eager")
    found = torch.autograd.grad(compiled(logits), logits)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", ["auto", "native", "blocked"])
def test_a_second_derivative_is_refused_and_the_plain_form_has_it(name):
    logits = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 3, 2, 3, 1])
    with pytest.raises(UserError, match=r"no second derivative.*form='plain'"):
        torch.autograd.grad(FocalLoss(form=name)(logits.float(), labels), logits, create_graph=True)
    plain = FocalLoss(form="plain")
    assert torch.autograd.gradgradcheck(lambda x: plain(x, labels), logits)


def test_dtypes_are_numbered_as_in_the_c_code():
    text = (native.Path(native.__file__).with_name("focal.c")).read_text()
    assert "enum { FLOAT32, BFLOAT16, FLOAT16 };" in text
    assert [str(dtype).split(".")[1].upper() for dtype in DTYPES] == [
        "FLOAT32",
        "BFLOAT16",
        "FLOAT16",
    ]
