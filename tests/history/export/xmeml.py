"""A schema of the part of xmeml 5 that an edit needs, written from Apple's description of the format."""

from __future__ import annotations

import xmlschema

__all__ = ["SCHEMA"]

_SCHEMA = """<?xml version="1.0"?>
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:simpleType name="bool"><xs:restriction base="xs:string">
    <xs:enumeration value="TRUE"/><xs:enumeration value="FALSE"/></xs:restriction></xs:simpleType>
  <xs:simpleType name="frames"><xs:restriction base="xs:integer"><xs:minInclusive value="-1"/></xs:restriction></xs:simpleType>
  <xs:simpleType name="count"><xs:restriction base="xs:integer"><xs:minInclusive value="0"/></xs:restriction></xs:simpleType>
  <xs:simpleType name="medium"><xs:restriction base="xs:string">
    <xs:enumeration value="video"/><xs:enumeration value="audio"/></xs:restriction></xs:simpleType>
  <xs:complexType name="rate"><xs:all>
    <xs:element name="timebase" type="xs:positiveInteger"/><xs:element name="ntsc" type="bool"/></xs:all></xs:complexType>
  <xs:complexType name="timecode"><xs:all>
    <xs:element name="rate" type="rate"/>
    <xs:element name="string"><xs:simpleType><xs:restriction base="xs:string">
      <xs:pattern value="[0-2]\\d:[0-5]\\d:[0-5]\\d[:;]\\d\\d"/></xs:restriction></xs:simpleType></xs:element>
    <xs:element name="frame" type="count"/>
    <xs:element name="displayformat"><xs:simpleType><xs:restriction base="xs:string">
      <xs:enumeration value="DF"/><xs:enumeration value="NDF"/></xs:restriction></xs:simpleType></xs:element>
    <xs:element name="reel" minOccurs="0"><xs:complexType><xs:all>
      <xs:element name="name" type="xs:string"/></xs:all></xs:complexType></xs:element></xs:all></xs:complexType>
  <xs:complexType name="picture"><xs:all>
    <xs:element name="rate" type="rate"/>
    <xs:element name="width" type="xs:positiveInteger"/><xs:element name="height" type="xs:positiveInteger"/>
    <xs:element name="anamorphic" type="bool"/><xs:element name="pixelaspectratio" type="xs:string"/>
    <xs:element name="fielddominance" type="xs:string"/><xs:element name="colordepth" type="xs:positiveInteger"/></xs:all></xs:complexType>
  <xs:complexType name="sound"><xs:all>
    <xs:element name="depth" type="xs:positiveInteger"/><xs:element name="samplerate" type="xs:positiveInteger"/></xs:all></xs:complexType>
  <xs:complexType name="file"><xs:sequence minOccurs="0">
    <xs:element name="name" type="xs:string"/><xs:element name="pathurl" type="xs:anyURI" minOccurs="0"/>
    <xs:element name="rate" type="rate"/><xs:element name="duration" type="xs:positiveInteger"/>
    <xs:element name="timecode" type="timecode"/>
    <xs:element name="media"><xs:complexType><xs:sequence>
      <xs:element name="video"><xs:complexType><xs:sequence>
        <xs:element name="duration" type="xs:positiveInteger"/>
        <xs:element name="samplecharacteristics" type="picture"/></xs:sequence></xs:complexType></xs:element>
      <xs:element name="audio" minOccurs="0"><xs:complexType><xs:sequence>
        <xs:element name="samplecharacteristics" type="sound"/>
        <xs:element name="channelcount" type="xs:positiveInteger"/></xs:sequence></xs:complexType></xs:element>
      </xs:sequence></xs:complexType></xs:element></xs:sequence>
    <xs:attribute name="id" type="xs:string" use="required"/></xs:complexType>
  <xs:complexType name="angleclip"><xs:sequence minOccurs="0">
    <xs:element name="name" type="xs:string"/><xs:element name="duration" type="xs:positiveInteger"/>
    <xs:element name="rate" type="rate"/><xs:element name="in" type="frames"/><xs:element name="out" type="frames"/>
    <xs:element name="ismasterclip" type="bool"/><xs:element name="timecode" type="timecode"/>
    <xs:element name="media"><xs:complexType><xs:sequence>
      <xs:element name="video"><xs:complexType><xs:sequence>
        <xs:element name="track" type="track"/></xs:sequence></xs:complexType></xs:element>
      <xs:element name="audio" minOccurs="0"><xs:complexType><xs:sequence>
        <xs:element name="track" type="track" maxOccurs="2"/></xs:sequence></xs:complexType></xs:element>
      </xs:sequence></xs:complexType></xs:element></xs:sequence>
    <xs:attribute name="id" type="xs:string" use="required"/></xs:complexType>
  <xs:complexType name="multiclip"><xs:sequence>
    <xs:sequence minOccurs="0"><xs:element name="name" type="xs:string"/><xs:element name="collapsed" type="bool"/>
      <xs:element name="synctype" type="count"/></xs:sequence>
    <xs:element name="angle" maxOccurs="unbounded"><xs:complexType><xs:sequence>
      <xs:element name="activevideoangle" type="bool"/><xs:element name="activeaudioangle" type="bool"/>
      <xs:element name="clip" type="angleclip"/></xs:sequence></xs:complexType></xs:element></xs:sequence>
    <xs:attribute name="id" type="xs:string" use="required"/></xs:complexType>
  <xs:complexType name="clipitem"><xs:sequence>
    <xs:element name="name" type="xs:string"/><xs:element name="enabled" type="bool"/>
    <xs:element name="duration" type="xs:positiveInteger"/><xs:element name="rate" type="rate"/>
    <xs:element name="start" type="frames"/><xs:element name="end" type="frames"/>
    <xs:element name="in" type="count"/><xs:element name="out" type="count"/>
    <xs:choice><xs:element name="file" type="file"/><xs:element name="multiclip" type="multiclip"/></xs:choice>
    <xs:element name="sourcetrack" minOccurs="0"><xs:complexType><xs:all>
      <xs:element name="mediatype" type="medium"/><xs:element name="trackindex" type="xs:positiveInteger"/></xs:all></xs:complexType></xs:element>
    <xs:element name="link" minOccurs="0" maxOccurs="3"><xs:complexType><xs:all>
      <xs:element name="linkclipref" type="xs:IDREF"/><xs:element name="mediatype" type="medium"/>
      <xs:element name="trackindex" type="xs:positiveInteger"/>
      <xs:element name="clipindex" type="xs:positiveInteger"/></xs:all></xs:complexType></xs:element>
    <xs:element name="comments" minOccurs="0"><xs:complexType><xs:all>
      <xs:element name="mastercomment1" type="xs:string"/></xs:all></xs:complexType></xs:element></xs:sequence>
    <xs:attribute name="id" type="xs:ID" use="required"/></xs:complexType>
  <xs:complexType name="transitionitem"><xs:all>
    <xs:element name="rate" type="rate"/><xs:element name="start" type="count"/><xs:element name="end" type="count"/>
    <xs:element name="alignment"><xs:simpleType><xs:restriction base="xs:string">
      <xs:enumeration value="start"/><xs:enumeration value="center"/><xs:enumeration value="end"/>
      <xs:enumeration value="start-black"/><xs:enumeration value="end-black"/></xs:restriction></xs:simpleType></xs:element>
    <xs:element name="effect"><xs:complexType><xs:all>
      <xs:element name="name"/><xs:element name="effectid"/><xs:element name="effectcategory"/>
      <xs:element name="effecttype"/><xs:element name="mediatype"/></xs:all></xs:complexType></xs:element></xs:all></xs:complexType>
  <xs:complexType name="track"><xs:sequence>
    <xs:element name="name" type="xs:string" minOccurs="0"/>
    <xs:choice minOccurs="0" maxOccurs="unbounded">
      <xs:element name="clipitem" type="clipitem"/><xs:element name="transitionitem" type="transitionitem"/></xs:choice>
    <xs:element name="outputchannelindex" type="xs:positiveInteger" minOccurs="0"/>
    <xs:element name="enabled" type="bool"/><xs:element name="locked" type="bool"/></xs:sequence></xs:complexType>
  <xs:complexType name="marker"><xs:all>
    <xs:element name="comment" type="xs:string"/><xs:element name="name" type="xs:string"/>
    <xs:element name="in" type="frames"/><xs:element name="out" type="frames"/></xs:all></xs:complexType>
  <xs:element name="xmeml"><xs:complexType><xs:sequence>
    <xs:element name="sequence"><xs:complexType><xs:sequence>
      <xs:element name="name" type="xs:string"/><xs:element name="duration" type="xs:positiveInteger"/>
      <xs:element name="rate" type="rate"/><xs:element name="timecode" type="timecode"/>
      <xs:element name="media"><xs:complexType><xs:sequence>
        <xs:element name="video"><xs:complexType><xs:sequence>
          <xs:element name="format"><xs:complexType><xs:all>
            <xs:element name="samplecharacteristics" type="picture"/></xs:all></xs:complexType></xs:element>
          <xs:element name="track" type="track" maxOccurs="unbounded"/></xs:sequence></xs:complexType></xs:element>
        <xs:element name="audio" minOccurs="0"><xs:complexType><xs:sequence>
          <xs:element name="numOutputChannels" type="xs:positiveInteger"/>
          <xs:element name="format"><xs:complexType><xs:all>
            <xs:element name="samplecharacteristics" type="sound"/></xs:all></xs:complexType></xs:element>
          <xs:element name="track" type="track" maxOccurs="unbounded"/></xs:sequence></xs:complexType></xs:element>
        </xs:sequence></xs:complexType></xs:element>
      <xs:element name="marker" type="marker" minOccurs="0" maxOccurs="unbounded"/></xs:sequence>
      <xs:attribute name="id" type="xs:ID" use="required"/></xs:complexType></xs:element></xs:sequence>
    <xs:attribute name="version" use="required" fixed="5"/></xs:complexType></xs:element>
</xs:schema>
"""  # noqa: E501

SCHEMA = xmlschema.XMLSchema(_SCHEMA)
