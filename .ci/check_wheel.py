"""Run by the Python that holds the wheel, in an empty folder: does splashgen work away from its checkout?"""

import subprocess
import sys
from pathlib import Path

import splashgen
from splashgen.families import families
from splashgen.resources import shipped_folder

prefix = Path(sys.prefix).resolve()
package = Path(splashgen.__file__).resolve().parent
assert package.is_relative_to(prefix), f"splashgen comes from {package}, not from the wheel in {prefix}"

for name, pattern in (("templates", "*.j2"), ("tuned_configs", "*.yaml"), ("benchmarks/results", "*.json")):
    folder = shipped_folder(name)
    assert folder == package / name, f"{name} is taken from {folder}"
    assert list(folder.glob(pattern)), f"{folder} has no {pattern}"
for family in families():
    assert (shipped_folder("templates") / family.template).is_file(), family.template

command = str(prefix / "bin" / "splashgen")
help_text = subprocess.run([command, "--help"], capture_output=True, text=True, check=True).stdout
assert "tune" in help_text, help_text
said = subprocess.run(
    [command, "export", "--gpu", "cpu", "-o", "exported.py"], capture_output=True, text=True, check=True
).stdout
assert Path("exported.py").is_file(), said

import torch  # noqa: E402

query, key, value = (torch.randn(1, 2, 70, 32, requires_grad=True) for _ in range(3))
out = splashgen.attention(query, key, value, is_causal=True)
out.sum().backward()
assert out.shape == query.shape and torch.isfinite(query.grad).all()
print(f"The wheel works on its own: splashgen {splashgen.__version__} from {package}.")
