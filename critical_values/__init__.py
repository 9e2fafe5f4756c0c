"""Critical and important results (危急值, 重要异常结果): found at once, told with a clock, closed only with proof."""
