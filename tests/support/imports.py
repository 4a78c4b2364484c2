"""Which packages a module's source imports."""

import ast


def imported(source: str) -> set[str]:
    """The top-level packages that a module imports wherever in its code, unless it is ready for them to be missing."""
    found: set[str] = set()

    class Visitor(ast.NodeVisitor):
        def visit_Import(self, node: ast.Import) -> None:
            found.update(alias.name.partition(".")[0] for alias in node.names)

        def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
            if node.module and not node.level:
                found.add(node.module.partition(".")[0])

        def visit_If(self, node: ast.If) -> None:
            if "TYPE_CHECKING" not in ast.dump(node.test):
                self.generic_visit(node)
            for child in node.orelse if "TYPE_CHECKING" in ast.dump(node.test) else ():
                self.visit(child)

        def visit_Try(self, node: ast.Try) -> None:
            caught = " ".join(ast.dump(handler.type) for handler in node.handlers if handler.type)
            guarded = "ImportError" in caught or "ModuleNotFoundError" in caught
            for child in [*([] if guarded else node.body), *node.handlers, *node.orelse, *node.finalbody]:
                self.visit(child)

    Visitor().visit(ast.parse(source))
    return found
