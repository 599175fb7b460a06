"""Broken on purpose: it cannot be imported."""

print("This line must not end in anybody's JSON.")
raise RuntimeError("the toy is broken on purpose")
