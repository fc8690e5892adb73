// Package ovn carries the network's statements out in OVN's northbound
// database. (Being written right now by a second pair of hands, who also does
// fabrictest and fake: build the projector and the API against package fabric.)
package ovn
