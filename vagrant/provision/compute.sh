#!/bin/bash
# A compute node: provision/compute.sh NAME NUMBER
. /vagrant/provision/common.sh
agent l2 "physnet1: br-phys"
