"""(Problem, Config, Gpu) → a package that needs torch and the driver alone."""

import json
import shutil
import tempfile
from pathlib import Path

import splashgen.aot.launch
from splashgen.aot.compiling import AotJob, Variant
from splashgen.aot.host import host_source
from splashgen.compile import CompilePool
from splashgen.config import Config
from splashgen.export import export
from splashgen.families import family_named
from splashgen.gpu import Gpu
from splashgen.problem import Operation, Problem, length_bucket
from splashgen.render import render
from splashgen.replacing import make_folder
from splashgen.store.provenance import current

__all__ = ["export_aot"]


def export_aot(problem: Problem, config: Config, gpu: Gpu, folder: Path, *, replace: bool = False) -> None:
    """Compile a problem's kernels for a GPU and write the package that launches them.

    The package defines what `splashgen.export.export` writes, with the same arguments; where kernels would
    load by descriptor, they load by pointer. Attention takes any length; row-wise entmax those up to the
    problem's.

    Parameters
    ----------
    folder : Path
        Where to; its name is the package's.
    replace : bool
        Whether a folder that was exported earlier may be replaced.

    Raises
    ------
    ValueError
        If the GPU is not one of NVIDIA's, or the name cannot be imported.
    FileExistsError
        If the folder exists, and is not to be replaced or nothing that was exported.
    KernelError
        If a kernel does not compile.
    """
    if gpu.backend != "cuda":
        raise ValueError(
            f"Kernels are compiled ahead of time for NVIDIA GPUs, but {gpu.name} is not one; export the file."
        )
    if not folder.name.isidentifier():
        raise ValueError(f"{folder.name!r} is to be imported, so it must be letters, digits and underscores.")
    if folder.exists() and not (replace and (folder / "kernels.json").is_file()):
        raise FileExistsError(f"{folder} exists already")
    config = family_named(config.family).for_loaders(config)
    with CompilePool(processes=1, limit_s=600.0) as pool:
        variants = pool.submit(AotJob(problem, config, gpu, _lengths(problem))).result()
    make_folder(folder.parent)
    made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        _fill(made, problem, config, gpu, variants)
        if folder.exists():
            shutil.rmtree(folder)
        made.rename(folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def _lengths(problem: Problem) -> tuple[int, ...]:
    """Attention has one set of kernels for all lengths, entmax one for each power of two."""
    longest = length_bucket(problem.seq_len)
    if problem.operation is Operation.ATTENTION:
        return (longest,)
    return tuple(1 << power for power in range(longest.bit_length()))


def _fill(folder: Path, problem: Problem, config: Config, gpu: Gpu, variants: tuple[Variant, ...]) -> None:
    kernels: dict[str, dict[str, list[object]]] = {}
    for number, variant in enumerate(variants):
        file = f"{variant.kernel.strip('_')}_{number}.cubin"
        (folder / file).write_bytes(variant.binary)
        entry = kernels.setdefault(variant.kernel, {"parameters": list(variant.parameters), "variants": []})
        entry["variants"].append(
            {
                "file": file,
                "symbol": variant.symbol,
                "shared": variant.shared,
                "options": variant.options,
                "arguments": list(variant.arguments),
            }
        )
    made = current()
    facts = {
        "problem": problem.as_dict(),
        "family": config.family,
        "config": config.as_dict(),
        "code_hash": render(problem, config).hash,
        "gpu": gpu.slug,
        "arch": gpu.arch,
        "splashgen": made.splashgen,
        "triton": made.triton,
        "date": made.date,
        "kernels": kernels,
    }
    (folder / "kernels.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    (folder / "__init__.py").write_text(host_source(export(problem, config), gpu.arch), encoding="utf-8")
    shutil.copyfile(splashgen.aot.launch.__file__, folder / "launch.py")
    folder.chmod(0o755)
