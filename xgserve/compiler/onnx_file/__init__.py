"""Reads a model from an `.onnx` file and writes it again from a short list of operators. Heavy: loads onnx.

The file's nodes are never handed on. Each is read, its types, shapes, attributes and weights are checked, and new
nodes that do the same are written; whatever is not on the list is refused by name.
"""
