"""`import m2kt` is cheap, and its names load on first use."""

import subprocess
import sys

HEAVY = ("torch", "transformers", "numpy", "cryptography", "httpx", "rich", "typer")


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_import_loads_nothing_heavy() -> None:
    assert python(f"import sys, m2kt; print([each for each in {HEAVY} if each in sys.modules])") == "[]"


def test_every_exported_name_resolves_without_torch() -> None:
    code = """
import sys, m2kt
values = {name: getattr(m2kt, name) for name in m2kt.__all__}
assert values["Packet"].__module__ == "m2kt.packet"
assert values["M2KTError"].__module__ == "m2kt.errors"
print(len(values), "torch" in sys.modules, "transformers" in sys.modules)
"""
    assert python(code) == "7 False False"


def test_a_name_is_the_object_of_its_module() -> None:
    assert python("import m2kt, m2kt.client; print(m2kt.Client is m2kt.client.Client)") == "True"


def test_an_unknown_name_is_an_attribute_error_that_quotes_it() -> None:
    code = "import m2kt\ntry: m2kt.Packett\nexcept AttributeError as error: print(error)"
    assert python(code) == "module 'm2kt' has no attribute 'Packett'"


def test_the_command_line_s_help_loads_no_noun() -> None:
    code = "import sys\nfrom m2kt.cli import app\nfrom typer.main import get_command\n"
    code += "get_command(app).main(['--help'], standalone_mode=False)\n"
    code += "print([each for each in ('torch', 'numpy', 'httpx', 'cryptography') if each in sys.modules])"
    assert python(code).splitlines()[-1] == "[]"
