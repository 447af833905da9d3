# SPDX-License-Identifier: Apache-2.0
"""The regression gate: whether HEAD is slower than BASE, with what chance of being wrong, and what it could see."""
