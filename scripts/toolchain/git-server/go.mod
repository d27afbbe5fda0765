module mldeploy.invalid/toolchain/git-server

go 1.26.0
