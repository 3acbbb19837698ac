"""The report of a run: one HTML file that needs no network, with sound, times, figures and settings.

from wavu import page
page.write(Path("runs/german"), examples=10, seconds=10, seed=0)
"""

from wavu.page.examples import Example
from wavu.page.render import write

__all__ = ["Example", "write"]
