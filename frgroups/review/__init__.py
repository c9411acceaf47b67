"""Render review pages and record approvals and rejections."""
