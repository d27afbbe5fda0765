"""What people and machines read: findings and progress, as text, JSON, SARIF, annotations, JUnit and Markdown."""
