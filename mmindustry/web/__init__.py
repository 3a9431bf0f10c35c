"""What the dashboard and the gateway share: limits, security headers, access, errors, serving."""
