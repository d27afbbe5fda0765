"""Charts for others: packaged to the same bytes every time, with an SBOM, pushed once for each version."""

from mldeploy.publish.package import Package, application_charts, package_charts
from mldeploy.publish.push import Pushed, push_chart

__all__ = ["Package", "Pushed", "application_charts", "package_charts", "push_chart"]
