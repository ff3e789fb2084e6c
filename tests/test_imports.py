import ast
from graphlib import TopologicalSorter
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "retina_plugin"

# From the ground up: a room imports rooms below it, or from itself.
FLOORS = [
    ["errors", "registry", "log"],
    ["bounds", "listeners"],
    ["boxes", "anchors", "nms"],
    ["compat.torch_features"],
    ["processor"],
    ["precision"],
    ["matching"],
    ["kernels"],
    ["compat"],
    ["losses", "prior", "settings", "normaliser"],
    ["assigner", "detections"],
    ["targets"],
    ["objective", "mining"],
    ["subnet", "folding"],
    ["patches"],
    ["neck", "head", "detector"],
    ["data"],
    ["recipe"],
    ["engine"],
    ["analysis", "demo"],
    ["faults"],
]
FLOOR = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}


def floor_of(name):
    """That of a module which has one of its own, else of its room."""
    return FLOOR.get(".".join(name), FLOOR[name[0]])


def module_name(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return tuple(part for part in parts if part != "__init__")


def imported(path):
    """Modules of the package that a file imports, as tuples of names below the package."""
    package = path.relative_to(PACKAGE).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            base += tuple(node.module.split(".")) if node.module else ()
            for alias in node.names:
                inner = PACKAGE.joinpath(*base, alias.name)
                is_module = inner.with_suffix(".py").exists() or inner.is_dir()
                yield (*base, alias.name) if is_module else base


GRAPH = {module_name(path): set(imported(path)) for path in PACKAGE.rglob("*.py")}
GRAPH.pop(())  # the package itself stands on top of all


def test_every_room_has_a_floor():
    assert {name[0] for name in GRAPH} <= set(FLOOR)


def test_imports_point_downwards():
    upwards = [
        (".".join(importer), ".".join(target))
        for importer, targets in GRAPH.items()
        for target in targets
        if importer[0] != target[0] and floor_of(importer) <= floor_of(target)
    ]
    assert upwards == []


def test_no_two_modules_import_each_other():
    list(TopologicalSorter(GRAPH).static_order())


def test_nothing_imports_the_package_by_its_own_name():
    named = [
        path.name
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("retina_plugin")
    ]
    assert named == []


def test_the_pure_functions_need_torch_only():
    for name in ("boxes", "nms", "matching"):
        tree = ast.parse((PACKAGE / f"{name}.py").read_text())
        outside = {
            (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and not node.level)
        }
        assert not outside & {"mmcv", "mmdet", "mmengine", "torchvision"}, name
