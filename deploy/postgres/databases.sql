-- One database for each part; run once, when the volume is new.
CREATE DATABASE airflow;
CREATE DATABASE mlflow;
CREATE DATABASE vigie;
