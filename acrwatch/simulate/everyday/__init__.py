"""Benign traffic that looks odd: what a detection meets every week without anybody attacking.

All of it recurs by the calendar, so that adjoining spans continue each other, and knows nothing of any rule.
"""
