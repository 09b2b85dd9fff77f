"""A schema of the part of xmeml 5 that an edit needs, written from Apple's description of the format."""

from __future__ import annotations

import xmlschema

__all__ = ["SCHEMA"]

_SCHEMA = """<?xml version="1.0"?>
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:simpleType name="bool"><xs:restriction base="xs:string">
    <xs:enumeration value="TRUE"/><xs:enumeration value="FALSE"/></xs:restriction></xs:simpleType>
  <xs:simpleType name="frames"><xs:restriction base="xs:integer"><xs:minInclusive value="-1"/></xs:restriction></xs:simpleType>
  <xs:complexType name="rate"><xs:all>
    <xs:element name="timebase" type="xs:positiveInteger"/><xs:element name="ntsc" type="bool"/></xs:all></xs:complexType>
  <xs:complexType name="timecode"><xs:all>
    <xs:element name="rate" type="rate"/>
    <xs:element name="string"><xs:simpleType><xs:restriction base="xs:string">
      <xs:pattern value="\\d\\d:\\d\\d:\\d\\d[:;]\\d\\d"/></xs:restriction></xs:simpleType></xs:element>
    <xs:element name="frame" type="frames"/>
    <xs:element name="displayformat"><xs:simpleType><xs:restriction base="xs:string">
      <xs:enumeration value="DF"/><xs:enumeration value="NDF"/></xs:restriction></xs:simpleType></xs:element>
    <xs:element name="reel" minOccurs="0"><xs:complexType><xs:all>
      <xs:element name="name" type="xs:string"/></xs:all></xs:complexType></xs:element></xs:all></xs:complexType>
  <xs:complexType name="file"><xs:all>
    <xs:element name="name" type="xs:string" minOccurs="0"/><xs:element name="pathurl" type="xs:anyURI" minOccurs="0"/>
    <xs:element name="rate" type="rate" minOccurs="0"/><xs:element name="duration" type="frames" minOccurs="0"/>
    <xs:element name="timecode" type="timecode" minOccurs="0"/>
    <xs:element name="media" minOccurs="0"><xs:complexType><xs:all>
      <xs:element name="video"/></xs:all></xs:complexType></xs:element></xs:all>
    <xs:attribute name="id" type="xs:string" use="required"/></xs:complexType>
  <xs:complexType name="clipitem"><xs:all>
    <xs:element name="name" type="xs:string"/><xs:element name="enabled" type="bool"/>
    <xs:element name="duration" type="frames"/><xs:element name="rate" type="rate"/>
    <xs:element name="start" type="frames"/><xs:element name="end" type="frames"/>
    <xs:element name="in" type="frames"/><xs:element name="out" type="frames"/>
    <xs:element name="file" type="file"/>
    <xs:element name="comments" minOccurs="0"><xs:complexType><xs:all>
      <xs:element name="mastercomment1" type="xs:string"/></xs:all></xs:complexType></xs:element></xs:all>
    <xs:attribute name="id" type="xs:ID" use="required"/></xs:complexType>
  <xs:complexType name="transitionitem"><xs:all>
    <xs:element name="rate" type="rate"/><xs:element name="start" type="frames"/><xs:element name="end" type="frames"/>
    <xs:element name="alignment"><xs:simpleType><xs:restriction base="xs:string">
      <xs:enumeration value="start"/><xs:enumeration value="center"/><xs:enumeration value="end"/>
      <xs:enumeration value="start-black"/><xs:enumeration value="end-black"/></xs:restriction></xs:simpleType></xs:element>
    <xs:element name="effect"><xs:complexType><xs:all>
      <xs:element name="name"/><xs:element name="effectid"/><xs:element name="effectcategory"/>
      <xs:element name="effecttype"/><xs:element name="mediatype"/></xs:all></xs:complexType></xs:element></xs:all></xs:complexType>
  <xs:complexType name="track"><xs:sequence>
    <xs:choice minOccurs="0" maxOccurs="unbounded">
      <xs:element name="clipitem" type="clipitem"/><xs:element name="transitionitem" type="transitionitem"/></xs:choice>
    <xs:element name="enabled" type="bool"/><xs:element name="locked" type="bool"/></xs:sequence></xs:complexType>
  <xs:complexType name="marker"><xs:all>
    <xs:element name="comment" type="xs:string"/><xs:element name="name" type="xs:string"/>
    <xs:element name="in" type="frames"/><xs:element name="out" type="frames"/></xs:all></xs:complexType>
  <xs:element name="xmeml"><xs:complexType><xs:sequence>
    <xs:element name="sequence"><xs:complexType><xs:sequence>
      <xs:element name="name" type="xs:string"/><xs:element name="duration" type="frames"/>
      <xs:element name="rate" type="rate"/><xs:element name="timecode" type="timecode"/>
      <xs:element name="media"><xs:complexType><xs:all><xs:element name="video"><xs:complexType><xs:sequence>
        <xs:element name="track" type="track"/></xs:sequence></xs:complexType></xs:element></xs:all></xs:complexType></xs:element>
      <xs:element name="marker" type="marker" minOccurs="0" maxOccurs="unbounded"/></xs:sequence>
      <xs:attribute name="id" type="xs:ID" use="required"/></xs:complexType></xs:element></xs:sequence>
    <xs:attribute name="version" use="required" fixed="5"/></xs:complexType></xs:element>
</xs:schema>
"""  # noqa: E501

SCHEMA = xmlschema.XMLSchema(_SCHEMA)
