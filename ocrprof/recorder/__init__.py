"""What runs inside the target's processes. Standard library only; loaded by path, never imported by the toolkit.

`inject/` holds one file, `sitecustomize.py`, and is the only folder that goes on the target's `PYTHONPATH`: the other
files here are named for the libraries they hook (`hydra.py`, `torch.py`), and on the path they would hide them.

To hook a library: one file here with functions `patch_…(recorder, module)`, and a row for each in `boot.HOOKS`.
"""
