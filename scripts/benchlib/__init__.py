# SPDX-License-Identifier: Apache-2.0
"""What the scripts are made of: one idea a module. The scripts themselves stay thin."""
